#include "client/trainer/worker/archive.h"

#include <caffe2/serialize/inline_container.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "absl/strings/ascii.h"
#include "client/trainer/failure.h"
#include "client/trainer/worker/torch_errors.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"

namespace federity::trainer {
namespace {

using caffe2::serialize::PyTorchStreamReader;
using caffe2::serialize::PyTorchStreamWriter;

class FileSource : public ArchiveSource {
 public:
  explicit FileSource(int fd) : fd_(fd) {
    struct stat status = {};
    if (fstat(fd, &status) == 0) size_ = static_cast<size_t>(status.st_size);
  }
  size_t size() const override { return size_; }
  size_t read(uint64_t position, void* buffer, size_t n, const char*) const override {
    size_t done = 0;
    while (done < n) {
      const ssize_t got = pread(fd_, static_cast<char*>(buffer) + done, n - done,
                                static_cast<off_t>(position + done));
      if (got <= 0) break;
      done += static_cast<size_t>(got);
    }
    return done;
  }

 private:
  int fd_;
  size_t size_ = 0;
};

class BytesSource : public ArchiveSource {
 public:
  explicit BytesSource(std::string_view bytes) : bytes_(bytes) {}
  size_t size() const override { return bytes_.size(); }
  size_t read(uint64_t position, void* buffer, size_t n, const char*) const override {
    if (position >= bytes_.size()) return 0;
    const size_t take = std::min<size_t>(n, bytes_.size() - position);
    std::memcpy(buffer, bytes_.data() + position, take);
    return take;
  }

 private:
  std::string_view bytes_;
};

// What the archive's own records say about who wrote it. The format's version
// has not changed since 1.8, so newer records are the better sign.
std::string Producer(PyTorchStreamReader& reader) {
  const std::string format = StrCat("archive format ", reader.version());
  if (reader.hasRecord(".format_version")) return "PyTorch 2.6 or later, " + format;
  if (reader.hasRecord("byteorder")) return "PyTorch 2.1 or later, " + format;
  return "PyTorch 2.0 or earlier, " + format;
}

absl::Status CheckIsTorchScript(PyTorchStreamReader& reader) {
  if (reader.hasRecord("constants.pkl") && reader.hasRecord("data.pkl")) return absl::OkStatus();
  return Failure(kModelUnreadable,
                 reader.hasRecord("data.pkl")
                     ? "the file holds weights (torch.save), not a model; save "
                       "torch.jit.script(model) with torch.jit.save"
                     : "the file is a zip archive but holds no TorchScript model");
}

// jit::load runs every __setstate__ of the archive and makes its C++ objects,
// before there is a graph to check. TorchScript's source has one spelling for a
// name, so looking for it in the text misses none.
absl::Status CheckNothingRunsAtLoad(PyTorchStreamReader& reader) {
  for (const std::string& name : reader.getAllRecords()) {
    // Records are looked up whatever their case, so a name tells little; those
    // of tensors alone are never code.
    const std::string lower = absl::AsciiStrToLower(ToAbsl(name));
    if (lower.starts_with("data/") || lower.starts_with("constants/")) continue;
    const auto [data, size] = reader.getRecord(name);
    const std::string_view text(static_cast<const char*>(data.get()), size);
    if (text.find("__setstate__") != text.npos) {
      return Failure(kModelRefused, StrCat("the model brings code that runs while it is loaded, "
                                           "before it can be checked (__setstate__ in ",
                                           name, ")"));
    }
    if (text.find("__torch__.torch.classes") != text.npos) {
      return Failure(kModelRefused,
                     StrCat("the model uses a C++ class (__torch__.torch.classes in ", name,
                            "); quantised and custom classes can't be trained"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

std::shared_ptr<ArchiveSource> ArchiveInFile(int fd) { return std::make_shared<FileSource>(fd); }

std::shared_ptr<ArchiveSource> ArchiveInMemory(std::string_view bytes) {
  return std::make_shared<BytesSource>(bytes);
}

absl::StatusOr<std::string> InspectArchive(const std::shared_ptr<ArchiveSource>& source,
                                           bool check_code) {
  std::string producer;
  const absl::Status readable = CatchTorch(
      [&]() -> absl::Status {
        PyTorchStreamReader reader(source);
        producer = Producer(reader);
        FEDERITY_RETURN_IF_ERROR(CheckIsTorchScript(reader));
        return check_code ? CheckNothingRunsAtLoad(reader) : absl::OkStatus();
      },
      [](const std::exception&) {
        return Failure(kModelUnreadable,
                       "the file is not a TorchScript archive; make one with "
                       "torch.jit.save(torch.jit.script(model), \"model.pt\")");
      });
  FEDERITY_RETURN_IF_ERROR(readable);
  return producer;
}

std::string CanonicalArchive(const std::string& archive) {
  PyTorchStreamReader reader(ArchiveInMemory(archive));
  std::string out;
  PyTorchStreamWriter writer([&out](const void* data, size_t n) {
    out.append(static_cast<const char*>(data), n);
    return n;
  });
  writer.setMinVersion(reader.version());
  std::vector<std::string> names = reader.getAllRecords();
  std::sort(names.begin(), names.end());
  for (const std::string& name : names) {
    // The writer makes the records about the archive itself.
    if (name.ends_with(".debug_pkl") || name == "version" || name == "byteorder" ||
        name.starts_with('.')) {
      continue;
    }
    const auto [data, size] = reader.getRecord(name);
    writer.writeRecord(name, data.get(), size);
  }
  writer.writeEndOfFile();
  return out;
}

}  // namespace federity::trainer
