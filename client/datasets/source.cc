#include "client/datasets/source.h"

#include <unistd.h>

#include "absl/strings/match.h"
#include "common/base/errors.h"
#include "common/base/strings.h"

namespace federity::datasets {
namespace {

absl::Status CheckPath(const std::string& path, bool folder) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (status.type() == std::filesystem::file_type::not_found)
    return absl::NotFoundError(StrCat("there is no '", path, "'"));
  const int wanted = folder ? R_OK | X_OK : R_OK;
  if (error || access(path.c_str(), wanted) != 0)
    return absl::PermissionDeniedError(
        StrCat("the agent (user id ", geteuid(), ") may not read '", path,
               "'; let that user read it, for example with setfacl -m u:", geteuid(),
               folder ? ":rx" : ":r"));
  if (folder && !std::filesystem::is_directory(status))
    return InvalidArgument("path", StrCat("'", path, "' is not a folder"));
  if (!folder && !std::filesystem::is_regular_file(status))
    return InvalidArgument("path", StrCat("'", path, "' is not a file"));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> DetectFormat(const std::filesystem::path& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) return std::string("image_folder");
  std::string name = path.filename().string();
  if (absl::EndsWith(name, ".gz")) name.resize(name.size() - 3);
  if (absl::EndsWith(name, "-ubyte") || absl::EndsWith(name, ".idx")) return std::string("idx");
  if (absl::EndsWithIgnoreCase(name, ".csv") || absl::EndsWithIgnoreCase(name, ".tsv"))
    return std::string("csv");
  if (!std::filesystem::exists(path, error) && !error)
    return absl::NotFoundError(StrCat("there is no '", path.string(), "'"));
  return InvalidArgument("format", StrCat("the name '", path.filename().string(),
                                          "' does not say what the file is; give --format csv, "
                                          "image_folder or idx"));
}

absl::Status CheckReadable(const Source& source) {
  const bool idx = source.format == "idx";
  if (!idx && source.format != "csv" && source.format != "image_folder")
    return InvalidArgument(
        "format", StrCat("'", source.format, "' is not a format; use csv, image_folder or idx"));
  if (idx != !source.labels_path.empty())
    return InvalidArgument("labels", idx ? "an idx data set needs --labels FILE"
                                         : "--labels FILE is for idx data sets only");
  if (absl::Status status = CheckPath(source.path, source.format == "image_folder"); !status.ok())
    return status;
  return idx ? CheckPath(source.labels_path, false) : absl::OkStatus();
}

std::string_view KindOf(const Source& source) {
  return source.format == "csv" ? "table" : "images";
}

worker::v1::Dataset ToWorker(const Source& source) {
  worker::v1::Dataset dataset;
  dataset.set_format(source.format);
  dataset.set_path(source.path);
  dataset.set_labels_path(source.labels_path);
  dataset.set_label_column(source.label_column);
  return dataset;
}

}  // namespace federity::datasets
