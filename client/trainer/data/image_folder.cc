// A folder a class, named as the plan's class, images inside:
//   folder/benign/0001.png, folder/malignant/0001.jpg
#include <algorithm>
#include <set>
#include <string>
#include <system_error>
#include <vector>

#include "client/trainer/data/image_file.h"
#include "client/trainer/data/readers.h"
#include "client/trainer/failure.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"

namespace federity::trainer {
namespace {

constexpr int64_t kMaxImageBytes = 64 << 20;
constexpr size_t kMaxImages = 20'000'000;

absl::StatusOr<std::vector<std::string>> ListNames(const std::filesystem::path& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (std::filesystem::directory_iterator it(folder, error), end; !error && it != end;
       it.increment(error)) {
    std::string name = it->path().filename().string();
    if (name.starts_with('.')) continue;
    names.push_back(std::move(name));
    if (names.size() > kMaxImages) return Failure(kDataInvalid, "the folder has too many files");
  }
  if (error) return Failure(kDataInvalid, StrCat("a folder can't be read: ", error.message()));
  std::sort(names.begin(), names.end());
  return names;
}

absl::Status CheckFolders(const DataSource& source, const Plan& plan, Problems& problems) {
  FEDERITY_ASSIGN_OR_RETURN(const std::vector<std::string> found, ListNames(source.folder));
  const std::set<std::string> present(found.begin(), found.end());
  for (const std::string& name : found) {
    if (std::find(plan.data.classes.begin(), plan.data.classes.end(), name) ==
        plan.data.classes.end()) {
      problems.Add(0, name, "no class of the plan has this name");
    }
  }
  // A hospital may lack a class, but not all.
  const bool any = std::any_of(plan.data.classes.begin(), plan.data.classes.end(),
                               [&](const std::string& name) { return present.contains(name); });
  if (!any) problems.Add(0, "", "the folder has no subfolder named as a class of the plan");
  return absl::OkStatus();
}

}  // namespace

absl::Status ReadImageFolder(const DataSource& source, const Plan& plan, const RowConsumer& consume,
                             Problems& problems, const ReadProgress& progress) {
  if (plan.data.kind != Plan::DataKind::kImages || plan.data.shape.size() != 3) {
    return Failure(kDataInvalid,
                   "the plan is about tables, and the data set is a folder of images");
  }
  if (plan.data.classes.empty()) {
    return Failure(kDataInvalid, "an image folder needs data.classes in the plan");
  }
  const ImageShape shape = {plan.data.shape[0], plan.data.shape[1], plan.data.shape[2]};
  if (shape.channels != 1 && shape.channels != 3) {
    return Failure(kDataInvalid, "image files have 1 or 3 channels; see data.shape in the plan");
  }
  FEDERITY_RETURN_IF_ERROR(CheckFolders(source, plan, problems));
  std::vector<uint8_t> pixels;
  std::vector<double> values;
  int64_t row = 0;
  const std::vector<std::string>& classes = plan.data.classes;
  for (size_t label = 0; label < classes.size(); ++label) {
    const std::filesystem::path folder = source.folder / classes[label];
    std::error_code ignored;
    if (!std::filesystem::is_directory(folder, ignored)) continue;
    FEDERITY_ASSIGN_OR_RETURN(const std::vector<std::string> names, ListNames(folder));
    for (size_t i = 0; i < names.size(); ++i) {
      if (problems.full()) return absl::OkStatus();
      ++row;
      const auto bytes = ReadFile(folder / names[i], kMaxImageBytes);
      const absl::Status status = bytes.ok() ? DecodeImage(*bytes, shape, pixels) : bytes.status();
      if (!status.ok()) {
        problems.Add(row, classes[label] + "/" + names[i], std::string(status.message()));
        continue;
      }
      values.resize(pixels.size());
      for (size_t j = 0; j < pixels.size(); ++j) values[j] = pixels[j] / plan.data.scale;
      consume(values, static_cast<double>(label));
      if (progress && row % 64 == 0) {
        progress((static_cast<double>(label) +
                  static_cast<double>(i) / static_cast<double>(names.size())) /
                 static_cast<double>(classes.size()));
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace federity::trainer
