#ifndef FEDERITY_TESTS_FUZZ_MEMORY_FILE_H_
#define FEDERITY_TESTS_FUZZ_MEMORY_FILE_H_

#include <cstdint>
#include <span>
#include <string_view>

#include "absl/status/status.h"
#include "common/base/files.h"
#include "server/blobs/blob_store.h"

namespace federity::fuzz {

// An open file with these bytes that is on no disk.
FileDescriptor MemoryFile(std::string_view bytes);

// A sealed blob whose plaintext is in memory. `bytes` must outlive it.
class MemoryBlob final : public blobs::BlobReader {
 public:
  explicit MemoryBlob(std::string_view bytes) : bytes_(bytes) {}
  int64_t size_bytes() const override { return static_cast<int64_t>(bytes_.size()); }
  // Ends the program where the caller breaks BlobReader's requirement.
  absl::Status Read(int64_t offset, std::span<char> out) override;

 private:
  std::string_view bytes_;
};

}  // namespace federity::fuzz

#endif  // FEDERITY_TESTS_FUZZ_MEMORY_FILE_H_
