#ifndef FEDERITY_CLIENT_DATASETS_SCHEMA_H_
#define FEDERITY_CLIENT_DATASETS_SCHEMA_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "client/datasets/source.h"

namespace federity::datasets {

// The names in a data set, for its owner to look at: the columns of a table's
// header line, the class folders of an image folder, nothing for idx. No row is
// read. INVALID_ARGUMENT for a table without a header line of at most 1 MiB.
absl::StatusOr<std::vector<std::string>> ReadSchema(const Source& source);

// The fields of a CSV header line: comma, semicolon or tab, whichever is most
// frequent outside quotes; "" within quotes is a quote.
std::vector<std::string> ParseHeaderLine(std::string_view line);

}  // namespace federity::datasets

#endif  // FEDERITY_CLIENT_DATASETS_SCHEMA_H_
