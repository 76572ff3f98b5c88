#include "server/blobs/blob_store.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <fstream>
#include <thread>

#include "common/base/errors.h"
#include "common/base/files.h"
#include "server/blobs/blob_format.h"

namespace federity::blobs {
namespace {

namespace fs = std::filesystem;

constexpr char kRepository[] = "00000000-0000-4000-8000-000000000001";
constexpr char kOtherRepository[] = "00000000-0000-4000-8000-000000000002";
constexpr char kUpload[] = "11111111-0000-4000-8000-000000000001";
constexpr char kOtherUpload[] = "11111111-0000-4000-8000-000000000002";

// A store in a folder of its own.
class BlobStoreTest {
 public:
  BlobStoreTest() {
    std::string folder = fs::temp_directory_path() / "federity-blobs-XXXXXX";
    REQUIRE(mkdtemp(folder.data()) != nullptr);
    root_ = folder;
    store_ = *BlobStore::Open(root_ / "blobs");
  }
  ~BlobStoreTest() {
    std::error_code error;
    fs::remove_all(root_, error);
  }

 protected:
  // Bytes that differ from frame to frame.
  static std::string Content(int64_t size, unsigned seed = 1) {
    std::string content(static_cast<size_t>(size), '\0');
    uint64_t state = seed * 0x9e3779b97f4a7c15u + 1;
    for (char& c : content) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      c = static_cast<char>(state >> 56);
    }
    return content;
  }
  std::unique_ptr<BlobWriter> Writer(const std::string& upload = kUpload) {
    auto writer = store_->OpenWriter(kRepository, upload, key_);
    REQUIRE(writer.status() == absl::OkStatus());
    return *std::move(writer);
  }
  crypto::Digest Store(const std::string& content, const std::string& upload = kUpload) {
    auto writer = Writer(upload);
    REQUIRE(writer->Write(content).ok());
    auto digest = writer->Seal(nullptr);
    REQUIRE(digest.status() == absl::OkStatus());
    return *digest;
  }
  absl::StatusOr<std::string> ReadAll(const crypto::Digest& digest) {
    auto reader = store_->OpenReader(kRepository, digest, key_);
    if (!reader.ok()) return reader.status();
    std::string content(static_cast<size_t>((*reader)->size_bytes()), '\0');
    if (absl::Status status = (*reader)->Read(0, content); !status.ok()) return status;
    return content;
  }
  fs::path SealedPath(const crypto::Digest& digest) const {
    return root_ / "blobs" / kRepository / "sealed" / digest.Hex();
  }
  fs::path PartialPath(const std::string& upload = kUpload) const {
    return root_ / "blobs" / kRepository / "partial" / upload;
  }
  static std::string Slurp(const fs::path& path) { return *ReadFile(path, int64_t{1} << 32); }
  static void Spit(const fs::path& path, std::string_view content) {
    std::ofstream(path, std::ios::binary | std::ios::trunc)
        .write(content.data(), static_cast<std::streamsize>(content.size()));
  }
  static void MakeOld(const fs::path& path) {
    fs::last_write_time(path, fs::file_time_type::clock::now() - std::chrono::hours(2));
  }

  fs::path root_;
  std::unique_ptr<BlobStore> store_;
  crypto::Secret key_{std::string(32, 'k')};
};

bool IsCorrupt(const absl::Status& status) {
  return ReasonOf(status) == v1::ERROR_REASON_BLOB_CORRUPT;
}

}  // namespace

TEST_CASE_METHOD(BlobStoreTest, "Blobs come back as they were written", "[blobs]") {
  const int64_t size = GENERATE(int64_t{0}, 1, kFrameBytes - 1, kFrameBytes, kFrameBytes + 1,
                                2 * kFrameBytes, 5 * kFrameBytes + 12345);
  const int64_t chunk = GENERATE(int64_t{65537}, kFrameBytes);
  const std::string content = Content(size);
  auto writer = Writer();
  for (int64_t done = 0; done < size; done += chunk) {
    REQUIRE(writer->Write(std::string_view(content).substr(done, chunk)).ok());
    CHECK(writer->written_bytes() == std::min(size, done + chunk));
  }
  const crypto::Digest expected = crypto::Sha256(content);
  auto digest = writer->Seal(&expected);
  REQUIRE(digest.status() == absl::OkStatus());
  CHECK(*digest == expected);
  CHECK(writer->committed_bytes() == size);
  CHECK(store_->Exists(kRepository, expected));
  CHECK(!fs::exists(PartialPath()));
  CHECK(*ReadAll(expected) == content);
  // No plaintext on disk.
  if (size > 64)
    CHECK(Slurp(SealedPath(expected)).find(content.substr(0, 32)) == std::string::npos);
}

TEST_CASE_METHOD(BlobStoreTest, "Readers read any range", "[blobs]") {
  const std::string content = Content(3 * kFrameBytes + 77);
  const crypto::Digest digest = Store(content);
  auto reader = *store_->OpenReader(kRepository, digest, key_);
  for (int64_t offset : {int64_t{0}, int64_t{1}, kFrameBytes - 1, kFrameBytes, kFrameBytes + 1,
                         3 * kFrameBytes, 3 * kFrameBytes + 76}) {
    for (int64_t length : {int64_t{0}, int64_t{1}, int64_t{2}, kFrameBytes, kFrameBytes + 3}) {
      if (offset + length > reader->size_bytes()) continue;
      std::string out(static_cast<size_t>(length), '\0');
      REQUIRE(reader->Read(offset, out).ok());
      CHECK(out == content.substr(offset, length));
    }
  }
  std::string beyond(2, '\0');
  CHECK(!reader->Read(reader->size_bytes() - 1, beyond).ok());
  CHECK(!reader->Read(-1, beyond).ok());
}

TEST_CASE_METHOD(BlobStoreTest, "A partial blob cut at any length goes on from its whole frames",
                 "[blobs]") {
  const std::string content = Content(3 * kFrameBytes + 500);
  {
    auto writer = Writer();
    REQUIRE(writer->Write(content).ok());
    REQUIRE(writer->Flush().ok());
    CHECK(writer->committed_bytes() == 3 * kFrameBytes);
  }
  const std::string file = Slurp(PartialPath());
  REQUIRE(static_cast<int64_t>(file.size()) == FrameOffset(3));
  CHECK(store_->PartialBytes(kRepository, kUpload) == 3 * kFrameBytes);

  std::vector<int64_t> lengths = {0, 1, 7, 8, kHeaderBytes - 1, kHeaderBytes};
  for (int64_t frame = 0; frame < 3; ++frame) {
    for (int64_t extra :
         {int64_t{1}, kNonceBytes, kNonceBytes + 1, kStoredFrameBytes - 1, kStoredFrameBytes}) {
      lengths.push_back(FrameOffset(frame) + extra);
    }
  }
  for (int64_t length : lengths) {
    CAPTURE(length);
    Spit(PartialPath(), std::string_view(file).substr(0, length));
    auto writer = Writer();
    const int64_t whole = std::max<int64_t>(0, (length - kHeaderBytes) / kStoredFrameBytes);
    CHECK(writer->committed_bytes() == whole * kFrameBytes);
    REQUIRE(writer->Write(content.substr(writer->committed_bytes())).ok());
    const crypto::Digest expected = crypto::Sha256(content);
    REQUIRE(writer->Seal(&expected).status() == absl::OkStatus());
    CHECK(*ReadAll(expected) == content);
    REQUIRE(store_->DeleteBlob(kRepository, expected).ok());
  }
}

TEST_CASE_METHOD(BlobStoreTest, "A crash between last frame and rename loses that frame only",
                 "[blobs]") {
  // A tail so long that last frame and trailer together look like a whole frame.
  const int64_t tail = GENERATE(int64_t{10}, kFrameBytes - kTrailerBytes, kFrameBytes - 1);
  const std::string content = Content(kFrameBytes + tail);
  const crypto::Digest digest = Store(content);
  fs::rename(SealedPath(digest), PartialPath());
  auto writer = Writer();
  CHECK(writer->committed_bytes() == kFrameBytes);
  REQUIRE(writer->Write(content.substr(kFrameBytes)).ok());
  CHECK(*writer->Seal(&digest) == digest);
  CHECK(*ReadAll(digest) == content);
}

TEST_CASE_METHOD(BlobStoreTest, "A frame that is written again has another nonce", "[blobs]") {
  const std::string content = Content(2 * kFrameBytes);
  {
    auto writer = Writer();
    REQUIRE(writer->Write(content).ok());
  }
  const std::string before = Slurp(PartialPath());
  Spit(PartialPath(), std::string_view(before).substr(0, FrameOffset(2) - 1));  // torn
  {
    auto writer = Writer();
    REQUIRE(writer->committed_bytes() == kFrameBytes);
    REQUIRE(writer->Write(Content(kFrameBytes, 9)).ok());
  }
  const std::string after = Slurp(PartialPath());
  CHECK(before.substr(FrameOffset(0), kNonceBytes) == after.substr(FrameOffset(0), kNonceBytes));
  CHECK(before.substr(FrameOffset(1), 8) != after.substr(FrameOffset(1), 8));
}

TEST_CASE_METHOD(BlobStoreTest, "A damaged partial blob goes on before the damage", "[blobs]") {
  const std::string content = Content(3 * kFrameBytes);
  {
    auto writer = Writer();
    REQUIRE(writer->Write(content).ok());
  }
  std::string file = Slurp(PartialPath());
  SECTION("in a frame") {
    file[FrameOffset(1) + 1000] ^= 1;
    Spit(PartialPath(), file);
    CHECK(Writer()->committed_bytes() == kFrameBytes);
  }
  SECTION("zeros where data was never written") {
    std::fill(file.begin() + FrameOffset(2), file.end(), '\0');
    Spit(PartialPath(), file);
    CHECK(Writer()->committed_bytes() == 2 * kFrameBytes);
  }
  SECTION("in the header") {
    file[3] ^= 1;
    Spit(PartialPath(), file);
    CHECK(Writer()->committed_bytes() == 0);
  }
  SECTION("another key") {
    key_ = crypto::Secret(std::string(32, 'x'));
    CHECK(Writer()->committed_bytes() == 0);
  }
}

TEST_CASE_METHOD(BlobStoreTest, "A flipped bit anywhere is BLOB_CORRUPT", "[blobs]") {
  const std::string content = Content(2 * kFrameBytes + 100);
  const crypto::Digest digest = Store(content);
  const std::string file = Slurp(SealedPath(digest));
  std::vector<size_t> places;
  for (size_t i = 0; i < static_cast<size_t>(kHeaderBytes); ++i) places.push_back(i);
  for (int64_t frame = 0; frame < 3; ++frame) {
    const auto start = static_cast<size_t>(FrameOffset(frame));
    for (size_t i = 0; i < 14; ++i) places.push_back(start + i);
  }
  for (size_t i = 0; i < 160 + static_cast<size_t>(kTrailerBytes); ++i) {
    places.push_back(file.size() - 1 - i);
  }
  for (size_t place : places) {
    CAPTURE(place);
    std::string damaged = file;
    damaged[place] ^= 0x10;
    Spit(SealedPath(digest), damaged);
    CHECK(IsCorrupt(ReadAll(digest).status()));
  }
}

TEST_CASE_METHOD(BlobStoreTest, "Cut, lengthened, swapped and misplaced files are BLOB_CORRUPT",
                 "[blobs]") {
  const std::string content = Content(3 * kFrameBytes + 100);
  const crypto::Digest digest = Store(content);
  const std::string file = Slurp(SealedPath(digest));
  SECTION("cut") {
    for (int64_t length :
         {int64_t{0}, int64_t{10}, kHeaderBytes, kHeaderBytes + kTrailerBytes, FrameOffset(1),
          FrameOffset(3), FrameOffset(3) + kTrailerBytes, static_cast<int64_t>(file.size()) - 1}) {
      CAPTURE(length);
      Spit(SealedPath(digest), std::string_view(file).substr(0, length));
      CHECK(IsCorrupt(ReadAll(digest).status()));
    }
  }
  SECTION("lengthened") {
    Spit(SealedPath(digest), file + std::string(1, '\0'));
    CHECK(IsCorrupt(ReadAll(digest).status()));
    Spit(SealedPath(digest), file + file.substr(FrameOffset(0), kStoredFrameBytes));
    CHECK(IsCorrupt(ReadAll(digest).status()));
  }
  SECTION("frames swapped") {
    std::string swapped = file;
    swapped.replace(FrameOffset(0), kStoredFrameBytes, file, FrameOffset(1), kStoredFrameBytes);
    swapped.replace(FrameOffset(1), kStoredFrameBytes, file, FrameOffset(0), kStoredFrameBytes);
    Spit(SealedPath(digest), swapped);
    CHECK(IsCorrupt(ReadAll(digest).status()));
  }
  SECTION("another blob's frame") {
    const crypto::Digest other = Store(Content(3 * kFrameBytes + 100, 2), kOtherUpload);
    std::string mixed = file;
    mixed.replace(FrameOffset(1), kStoredFrameBytes, Slurp(SealedPath(other)), FrameOffset(1),
                  kStoredFrameBytes);
    Spit(SealedPath(digest), mixed);
    CHECK(IsCorrupt(ReadAll(digest).status()));
  }
  SECTION("another blob's file") {
    const crypto::Digest other = Store(Content(3 * kFrameBytes + 100, 2), kOtherUpload);
    fs::copy_file(SealedPath(other), SealedPath(digest), fs::copy_options::overwrite_existing);
    CHECK(IsCorrupt(ReadAll(digest).status()));
  }
  SECTION("another repository's key") {
    key_ = crypto::Secret(std::string(32, 'x'));
    CHECK(IsCorrupt(ReadAll(digest).status()));
  }
  SECTION("a damaged frame leaves the others readable") {
    std::string damaged = file;
    damaged[FrameOffset(1) + 100] ^= 1;
    Spit(SealedPath(digest), damaged);
    auto reader = *store_->OpenReader(kRepository, digest, key_);
    std::string out(kFrameBytes, '\0');
    CHECK(IsCorrupt(reader->Read(kFrameBytes, out)));
    REQUIRE(reader->Read(0, out).ok());
    CHECK(out == content.substr(0, kFrameBytes));
  }
}

TEST_CASE_METHOD(BlobStoreTest, "Sealing under another digest deletes the partial blob",
                 "[blobs]") {
  const crypto::Digest wrong = crypto::Sha256("something else");
  auto writer = Writer();
  REQUIRE(writer->Write(Content(kFrameBytes + 5)).ok());
  auto sealed = writer->Seal(&wrong);
  CHECK(ReasonOf(sealed.status()) == v1::ERROR_REASON_DIGEST_MISMATCH);
  CHECK(!fs::exists(PartialPath()));
  CHECK(!store_->Exists(kRepository, wrong));
  CHECK(!writer->Write("more").ok());
  writer.reset();
  CHECK(Writer()->committed_bytes() == 0);
}

TEST_CASE_METHOD(BlobStoreTest, "One writer at a time", "[blobs]") {
  auto first = Writer();
  CHECK(absl::IsUnavailable(store_->OpenWriter(kRepository, kUpload, key_).status()));
  first.reset();
  CHECK(Writer() != nullptr);
}

TEST_CASE_METHOD(BlobStoreTest, "DiscardBuffered goes back to the last whole frame", "[blobs]") {
  const std::string content = Content(kFrameBytes + 1000);
  auto writer = Writer();
  REQUIRE(writer->Write(content.substr(0, kFrameBytes + 17)).ok());
  REQUIRE(writer->Flush().ok());
  CHECK(writer->committed_bytes() == kFrameBytes);
  CHECK(writer->written_bytes() == kFrameBytes + 17);
  writer->DiscardBuffered();
  CHECK(writer->written_bytes() == kFrameBytes);
  REQUIRE(writer->Write(content.substr(kFrameBytes)).ok());
  const crypto::Digest expected = crypto::Sha256(content);
  CHECK(writer->Seal(&expected).ok());
}

TEST_CASE_METHOD(BlobStoreTest, "Equal content is stored once and becomes young again", "[blobs]") {
  const std::string content = Content(1000);
  const crypto::Digest digest = Store(content);
  MakeOld(SealedPath(digest));
  CHECK(store_->ListSealed(kRepository)->size() == 1);
  auto reader = *store_->OpenReader(kRepository, digest, key_);
  CHECK(Store(content, kOtherUpload) == digest);
  CHECK(store_->ListSealed(kRepository)->empty());
  REQUIRE(store_->DeleteBlob(kRepository, digest, kMinCollectAge).ok());
  CHECK(store_->Exists(kRepository, digest));
  // Who had the old file open reads on.
  std::string out(1000, '\0');
  REQUIRE(reader->Read(0, out).ok());
  CHECK(out == content);
}

TEST_CASE_METHOD(BlobStoreTest, "Lists show what is old, deletions are repeatable", "[blobs]") {
  const crypto::Digest digest = Store(Content(10));
  { auto partial = Writer(kOtherUpload); }
  CHECK(store_->ListPartial(kRepository)->empty());
  MakeOld(SealedPath(digest));
  MakeOld(PartialPath(kOtherUpload));
  CHECK(*store_->ListSealed(kRepository) == std::vector<crypto::Digest>{digest});
  CHECK(*store_->ListPartial(kRepository) == std::vector<std::string>{kOtherUpload});
  CHECK(store_->ListSealed(kOtherRepository)->empty());
  for (int i = 0; i < 2; ++i) {
    CHECK(store_->DeleteBlob(kRepository, digest).ok());
    CHECK(store_->DeletePartial(kRepository, kOtherUpload).ok());
  }
  CHECK(absl::IsNotFound(store_->OpenReader(kRepository, digest, key_).status()));
  for (int i = 0; i < 2; ++i) CHECK(store_->DeleteRepository(kRepository).ok());
  CHECK(!fs::exists(root_ / "blobs" / kRepository));
}

TEST_CASE_METHOD(BlobStoreTest, "Names that are no UUID never become a path", "[blobs]") {
  for (const char* name :
       {"", "..", "../../../../etc/passwd", "00000000-0000-4000-8000-00000000000/"}) {
    CHECK(!store_->OpenWriter(name, kUpload, key_).ok());
    CHECK(!store_->OpenWriter(kRepository, name, key_).ok());
    CHECK(!store_->OpenReader(name, crypto::Digest{}, key_).ok());
    CHECK(!store_->DeleteRepository(name).ok());
    CHECK(!store_->DeletePartial(kRepository, name).ok());
    CHECK(store_->PartialBytes(kRepository, name) == 0);
  }
  CHECK(!store_->OpenWriter(kRepository, kUpload, crypto::Secret("short")).ok());
}

TEST_CASE_METHOD(BlobStoreTest, "A full disk keeps the whole frames", "[blobs]") {
  // A file size limit stands in for the disk; both fail in the same place.
  signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  REQUIRE(getrlimit(RLIMIT_FSIZE, &before) == 0);
  const std::string content = Content(3 * kFrameBytes + 10);
  auto writer = Writer();
  rlimit limit = before;
  limit.rlim_cur = static_cast<rlim_t>(FrameOffset(2) + 1000);
  REQUIRE(setrlimit(RLIMIT_FSIZE, &limit) == 0);
  const absl::Status status = writer->Write(content);
  setrlimit(RLIMIT_FSIZE, &before);
  CHECK(!status.ok());
  CHECK(!writer->Write("more").ok());
  CHECK(!writer->Seal(nullptr).ok());
  writer.reset();
  writer = Writer();
  CHECK(writer->committed_bytes() == 2 * kFrameBytes);
  REQUIRE(writer->Write(content.substr(2 * kFrameBytes)).ok());
  CHECK(*writer->Seal(nullptr) == crypto::Sha256(content));
}

TEST_CASE_METHOD(BlobStoreTest, "Many read at once", "[blobs]") {
  const std::string content = Content(4 * kFrameBytes + 3);
  const crypto::Digest digest = Store(content);
  std::vector<std::thread> threads;
  std::atomic<int> good = 0;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      const auto read = ReadAll(digest);
      if (read.ok() && *read == content) ++good;
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(good == 8);
}

// The format's golden file: header, one whole frame's place and the trailer are
// where docs/formats/blob.md says, under the key that it says.
TEST_CASE_METHOD(BlobStoreTest, "The file is laid out as documented", "[blobs]") {
  const std::string content = Content(kFrameBytes + 5);
  const crypto::Digest digest = Store(content);
  const std::string file = Slurp(SealedPath(digest));
  REQUIRE(file.size() == 24 + (12 + 1048576 + 16) + (12 + 5 + 16) + (12 + 16));
  CHECK(file.substr(0, 8) == std::string("FEDBLOB\x01", 8));
  const std::string id = file.substr(8, 16);
  const std::string derived =
      std::string("\0\0\0\1", 4) + std::string(32, 'k') + "federity/blob/v1" + id;
  auto cipher = *crypto::Aead::Create(crypto::Secret(crypto::Sha256(derived).view()));
  const size_t second = 24 + 12 + 1048576 + 16;
  std::string plaintext(5, '\0');
  REQUIRE(cipher
              .Open(file.substr(second, 12), id + std::string("\0\0\0\1\1", 5),
                    file.substr(second + 12, 21), plaintext.data())
              .ok());
  CHECK(plaintext == content.substr(1048576));
  CHECK(file.substr(second + 8, 4) == std::string("\0\0\0\1", 4));
  const std::string aad = id + std::string("\0\0\0\2\2", 5) +
                          std::string("\0\0\0\0\0\x10\0\x05", 8) + std::string(digest.view());
  char nothing = 0;
  CHECK(
      cipher.Open(file.substr(second + 33, 12), aad, file.substr(second + 45, 16), &nothing).ok());
}

}  // namespace federity::blobs
