// Archives that act while they are loaded, before there is a graph to check.

#include <caffe2/serialize/inline_container.h>

#include <algorithm>
#include <filesystem>

#include "client/trainer/supervisor.h"
#include "tests/unit/trainer/torch_testing.h"

namespace federity::trainer {
namespace {

namespace fs = std::filesystem;
using caffe2::serialize::PyTorchStreamReader;
using caffe2::serialize::PyTorchStreamWriter;
using testing::GoldenModel;
using testing::TemporaryFolder;

// The archive whose __setstate__ reads a file, with another file's name.
std::string ReaderOf(const std::string& path, const std::function<std::string(std::string)>& rename) {
  PyTorchStreamReader reader(GoldenModel("evil_setstate.script.torch1.13"));
  std::string out;
  PyTorchStreamWriter writer([&out](const void* data, size_t n) {
    out.append(static_cast<const char*>(data), n);
    return n;
  });
  writer.setMinVersion(reader.version());
  for (const std::string& name : reader.getAllRecords()) {
    if (name == "version" || name == "byteorder" || name.starts_with('.')) continue;
    const auto [data, size] = reader.getRecord(name);
    std::string text(static_cast<const char*>(data.get()), size);
    if (const size_t at = text.find("/etc/passwd"); name.ends_with(".py") && at != text.npos) {
      text.replace(at, std::string("/etc/passwd").size(), path);
    }
    writer.writeRecord(rename(name), text.data(), text.size());
  }
  writer.writeEndOfFile();
  return out;
}
std::string Same(std::string name) { return name; }

worker::v1::Request TrainOnImages(const TemporaryFolder& folder, const std::string& archive) {
  worker::v1::Request request;
  auto& job = *request.mutable_train();
  job.set_program_path(folder.Write("program", archive));
  job.set_weights_path(folder.Write("weights", ""));
  job.set_delta_path(folder / "delta");
  Plan plan;
  plan.data.kind = Plan::DataKind::kImages;
  plan.data.shape = {1, 2, 2};
  plan.data.classes = {"a", "b"};
  job.set_plan_toml(FormatPlan(plan));
  auto& dataset = *job.add_datasets();
  dataset.set_path(folder / "images");
  dataset.set_format("image_folder");
  return request;
}

TEST_CASE("Code that runs at loading is refused by name, whatever its record is called") {
  const auto load = [](const std::string& archive) {
    return Model::LoadBytes(archive, {}).status();
  };
  const auto upper = [](std::string name) {
    if (name.ends_with(".py")) {
      std::transform(name.begin(), name.end(), name.begin(), [](char c) { return toupper(c); });
    }
    return name;
  };
  for (const absl::Status& status :
       {load(ReaderOf("/etc/passwd", Same)), load(ReaderOf("/etc/passwd", upper))}) {
    INFO(status);
    CHECK(FailureReason(status) == kModelRefused);
    CHECK_THAT(std::string(status.message()), Catch::Contains("__setstate__"));
  }
}

TEST_CASE("Without that check, loading still reads no patient's image") {
  const TemporaryFolder folder;
  fs::create_directories(fs::path(folder / "images") / "a");
  const std::string image = folder.Write("images/a/1.png", "PATIENT-JANE-DOE");
  const auto self = fs::read_symlink("/proc/self/exe");
  const absl::Status status =
      RunJob(TrainOnImages(folder, ReaderOf(image, Same)),
             {.program = self.parent_path() / "federity-trainer-unchecked"})
          .status();
  INFO(status);
  CHECK(FailureReason(status) == kModelUnreadable);
  CHECK_THAT(std::string(status.message()),
             Catch::Contains("Permission denied") || Catch::Contains("not permitted"));
}

}  // namespace
}  // namespace federity::trainer
