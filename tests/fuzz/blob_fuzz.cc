#include "common/base/strings.h"
#include "server/blobs/blob_reader.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/fuzz/memory_file.h"

namespace federity::blobs {
namespace {

const std::string kBlobId(kBlobIdBytes, 'i');

crypto::Secret Key() { return crypto::Secret(std::string(crypto::kAeadKeySize, 'k')); }

absl::StatusOr<std::string> ReadAll(std::string_view file_bytes, const crypto::Digest& address) {
  const FileDescriptor file = fuzz::MemoryFile(file_bytes);
  auto reader = FileBlobReader::Open(StrCat("/proc/self/fd/", file.get()), address, Key());
  if (!reader.ok()) return reader.status();
  std::string plain(static_cast<size_t>((*reader)->size_bytes()), '\0');
  if (absl::Status status = (*reader)->Read(0, plain); !status.ok()) return status;
  return plain;
}

// A sealed file of one frame, by the grammar in blob_format.h.
std::string SealedFile(std::string_view plain, const crypto::Digest& address) {
  auto cipher = FileCipher(Key(), kBlobId);
  FUZZ_CHECK(cipher.ok());
  std::string file = StrCat(kMagic, kBlobId);
  const auto append = [&](uint32_t number, std::string_view aad, std::string_view text) {
    const Nonce nonce = MakeNonce("sessions", number);
    std::string sealed(text.size() + crypto::kAeadTagSize, '\0');
    FUZZ_CHECK(cipher->Seal(View(nonce), aad, text, sealed.data()).ok());
    file.append(View(nonce)).append(sealed);
  };
  append(0, View(MakeFrameAad(kBlobId, 0, true)), plain);
  append(1, MakeTrailerAad(kBlobId, 1, static_cast<int64_t>(plain.size()), address), "");
  return file;
}

}  // namespace

// Any bytes as a file; then the bytes sealed, whole and damaged: three bytes
// say what is changed (0: nothing) and where.
FUZZ_TARGET(blob) {
  FUZZ_CHECK(!ReadAll(input, crypto::Sha256(input)).ok());
  if (input.size() <= 3) return;  // of an empty blob no frame is read
  const std::string_view plain = input.substr(3, kFrameBytes - 1);
  const crypto::Digest address = crypto::Sha256(plain);
  std::string file = SealedFile(plain, address);
  FUZZ_CHECK(SizeOfSealed(static_cast<int64_t>(file.size())) == static_cast<int64_t>(plain.size()));
  const size_t place = (static_cast<uint8_t>(input[1]) << 8 | static_cast<uint8_t>(input[2]));
  char& damaged = file[place % file.size()];
  damaged = static_cast<char>(damaged ^ input[0]);
  const auto read = ReadAll(file, address);
  FUZZ_CHECK(read.ok() == (input[0] == 0));
  if (read.ok()) FUZZ_CHECK(*read == plain);
}

}  // namespace federity::blobs
