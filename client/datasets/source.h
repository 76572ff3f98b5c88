#ifndef FEDERITY_CLIENT_DATASETS_SOURCE_H_
#define FEDERITY_CLIENT_DATASETS_SOURCE_H_

#include <filesystem>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "federity/worker/v1/worker.pb.h"

namespace federity::datasets {

// Where a data set lies and how it is read. A regular value type.
struct Source {
  std::string format;        // "csv", "image_folder", "idx"
  std::string path;          // absolute
  std::string labels_path;   // idx only, absolute
  std::string label_column;  // csv: the column that the plan's label is; empty: the plan's name
  friend bool operator==(const Source&, const Source&) = default;
};

// A folder is "image_folder", "*-ubyte" and "*.idx", also with ".gz", are "idx",
// "*.csv" and "*.tsv" are "csv". INVALID_ARGUMENT that asks for --format otherwise.
absl::StatusOr<std::string> DetectFormat(const std::filesystem::path& path);

// OK if format and paths fit together and this process can read what they name;
// the error says whose permission is missing.
absl::Status CheckReadable(const Source& source);

// "table" or "images": all that the coordinator learns beside label and rows.
std::string_view KindOf(const Source& source);

worker::v1::Dataset ToWorker(const Source& source);

}  // namespace federity::datasets

#endif  // FEDERITY_CLIENT_DATASETS_SOURCE_H_
