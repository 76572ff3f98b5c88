#include "tests/fuzz/memory_file.h"

#include <sys/mman.h>

#include <algorithm>

#include "tests/fuzz/fuzz_target.h"

namespace federity::fuzz {

FileDescriptor MemoryFile(std::string_view bytes) {
  FileDescriptor file(memfd_create("fuzz", MFD_CLOEXEC));
  FUZZ_CHECK(file.valid());
  FUZZ_CHECK(WriteFully(file.get(), bytes, 0).ok());
  return file;
}

absl::Status MemoryBlob::Read(int64_t offset, std::span<char> out) {
  FUZZ_CHECK(offset >= 0 && offset <= size_bytes());
  FUZZ_CHECK(static_cast<int64_t>(out.size()) <= size_bytes() - offset);
  std::copy_n(bytes_.data() + offset, out.size(), out.data());
  return absl::OkStatus();
}

}  // namespace federity::fuzz
