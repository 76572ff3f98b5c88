#ifndef FEDERITY_CLIENT_TRAINER_DATA_READERS_H_
#define FEDERITY_CLIENT_TRAINER_DATA_READERS_H_

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "client/trainer/data/problems.h"
#include "common/base/files.h"
#include "common/plan/plan.h"

namespace federity::trainer {

// The three kinds of data set, opened before the sandbox closes (folders are
// read through it).
struct DataSource {
  std::string format;        // "csv", "image_folder" or "idx"
  std::string label_column;  // csv: empty for the plan's own name
  FileDescriptor file;       // csv, idx: images
  FileDescriptor labels;     // idx
  std::filesystem::path folder;
};

// Takes one example: plan.input_size() values as the plan wants them before
// standardisation (a missing one is NaN; pixels are already divided by
// data.scale) and the label (LabelMap). The span lives for the call.
using RowConsumer = std::function<void(std::span<const double> values, double label)>;
// How far a reader is, 0 to 1; may be empty.
using ReadProgress = std::function<void(double)>;

// Reads a whole source row by row, in the order of the file (folders: classes in
// the plan's order, then files by name). What is wrong with a row or file goes to
// `problems` and the row is left out; reading stops when they are full. An error
// is returned only where reading can't go on: DATA_INVALID, or an error of the
// file system. Memory does not grow with the source.
absl::Status ReadSource(const DataSource& source, const Plan& plan, const RowConsumer& consume,
                        Problems& problems, const ReadProgress& progress);

// The parts of it.
absl::Status ReadCsvTable(const DataSource& source, const Plan& plan, const RowConsumer& consume,
                          Problems& problems, const ReadProgress& progress);
absl::Status ReadIdx(const DataSource& source, const Plan& plan, const RowConsumer& consume,
                     Problems& problems, const ReadProgress& progress);
absl::Status ReadImageFolder(const DataSource& source, const Plan& plan, const RowConsumer& consume,
                             Problems& problems, const ReadProgress& progress);

}  // namespace federity::trainer

#endif  // FEDERITY_CLIENT_TRAINER_DATA_READERS_H_
