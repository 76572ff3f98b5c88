// Folding N updates of 10 M parameters into new weights.
//
//   merge_bench [--elements N] [--repeats N]
//
// encrypted-N  the coordinator's merge over its blob store. "ratio" is a plain loop's
//              seconds over ours: one that decrypts the same blobs with OpenSSL, frame
//              by frame into one buffer, and adds. It writes nothing; ours also reads the
//              base, divides, hashes, encrypts and writes the weights, and syncs them.
// plain-N      the same merge over files that are not encrypted, as "bare_ratio" to the
//              addition alone over the same bytes in memory.
// "rss_mb" is the merge's largest resident memory (VmHWM), without the baselines'.

#include <fcntl.h>
#include <sys/mman.h>

#include <cstring>
#include <filesystem>
#include <memory>
#include <random>
#include <vector>

#include "common/base/files.h"
#include "common/crypto/aead.h"
#include "common/crypto/digest.h"
#include "common/crypto/secret.h"
#include "common/tensor/plain_delta.h"
#include "common/tensor/safetensors.h"
#include "server/aggregation/streaming_merge.h"
#include "server/blobs/blob_format.h"
#include "server/blobs/blob_store.h"
#include "tests/bench/bench.h"

namespace federity::bench {
namespace {

namespace fs = std::filesystem;

constexpr char kRepository[] = "00000000-0000-4000-8000-000000000001";
constexpr int64_t kTensors = 10;

struct Cohort {
  fs::path folder;
  int64_t elements = 0;
  crypto::Secret key;
  crypto::Digest base;
  std::vector<crypto::Digest> deltas;
  const crypto::Digest& Delta(int i) const { return deltas[static_cast<size_t>(i)]; }
};

tensor::TensorSpec Weights(int64_t elements) {
  std::vector<tensor::TensorInfo> tensors;
  for (int64_t i = 0; i < kTensors; ++i) {
    tensors.push_back({.name = "layer" + std::to_string(i), .shape = {elements / kTensors}});
  }
  return Require(tensor::MakeTensorSpec(tensor::kWeightsEncoding, std::move(tensors)));
}

fs::path PlainFile(const Cohort& cohort, const crypto::Digest& digest) {
  return cohort.folder / ("plain-" + digest.Hex());
}

crypto::Digest Store(const Cohort& cohort, blobs::BlobStore& store, const std::string& bytes) {
  auto writer = Require(store.OpenWriter(kRepository, crypto::RandomUuid(), cohort.key));
  Require(writer->Write(bytes));
  const crypto::Digest digest = Require(writer->Seal(nullptr));
  std::ofstream(PlainFile(cohort, digest), std::ios::binary) << bytes;
  return digest;
}

std::string Bytes(const std::string& header, int64_t elements, uint64_t seed, bool floats) {
  std::string bytes = header;
  std::mt19937_64 random(seed);
  std::vector<int32_t> values(static_cast<size_t>(elements));
  for (int32_t& value : values) {
    value = static_cast<int32_t>(random() >> 40) - (1 << 23);
    if (floats) {
      const auto real = static_cast<float>(value) * 1e-7F;
      std::memcpy(&value, &real, sizeof(value));
    }
  }
  bytes.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(int32_t));
  return bytes;
}

void FillStore(Cohort& cohort, int updates) {
  const auto store = Require(blobs::BlobStore::Open(cohort.folder / "blobs"));
  const tensor::TensorSpec weights = Weights(cohort.elements);
  const std::string delta_header = tensor::EncodeHeader(Require(tensor::PlainDeltaSpec(weights)));
  cohort.base =
      Store(cohort, *store, Bytes(tensor::EncodeHeader(weights), cohort.elements, 1, true));
  for (int i = 0; i < updates; ++i) {
    cohort.deltas.push_back(Store(
        cohort, *store, Bytes(delta_header, cohort.elements, static_cast<uint64_t>(i) + 2, false)));
  }
}

// A store without encryption.
class PlainReader final : public blobs::BlobReader {
 public:
  explicit PlainReader(const fs::path& path)
      : file_(Require(OpenFile(path, O_RDONLY))),
        size_(static_cast<int64_t>(fs::file_size(path))) {}
  int64_t size_bytes() const override { return size_; }
  absl::Status Read(int64_t offset, std::span<char> out) override {
    return ReadFully(file_.get(), out.data(), static_cast<int64_t>(out.size()), offset);
  }

 private:
  const FileDescriptor file_;
  const int64_t size_;
};

class PlainWriter final : public blobs::BlobWriter {
 public:
  explicit PlainWriter(const fs::path& path)
      : file_(Require(OpenFile(path, O_WRONLY | O_CREAT | O_TRUNC))) {}
  int64_t committed_bytes() const override { return written_; }
  int64_t written_bytes() const override { return written_; }
  absl::Status Write(std::string_view data) override {
    const absl::Status status = WriteFully(file_.get(), data, written_);
    written_ += static_cast<int64_t>(data.size());
    return status;
  }
  absl::Status Flush() override { return absl::OkStatus(); }
  void DiscardBuffered() override {}
  absl::StatusOr<crypto::Digest> Seal(const crypto::Digest*) override { return crypto::Digest{}; }

 private:
  const FileDescriptor file_;
  int64_t written_ = 0;
};

using Inputs = std::vector<aggregation::MergeInput>;

absl::Status GoOn() { return absl::OkStatus(); }

void MergeEncrypted(const Cohort& cohort, int updates) {
  const auto store = Require(blobs::BlobStore::Open(cohort.folder / "blobs"));
  Inputs inputs;
  for (int i = 0; i < updates; ++i) {
    inputs.push_back(
        {.open = [&, i] { return store->OpenReader(kRepository, cohort.Delta(i), cohort.key); },
         .weight = 100 + i});
  }
  const auto base = Require(store->OpenReader(kRepository, cohort.base, cohort.key));
  const auto out = Require(store->OpenWriter(kRepository, crypto::RandomUuid(), cohort.key));
  Require(aggregation::MergePlainDeltas(*base, inputs, *out, GoOn));
  const crypto::Digest merged = Require(out->Seal(nullptr));
  Require(store->DeleteBlob(kRepository, merged));
}

void MergePlainFiles(const Cohort& cohort, int updates) {
  Inputs inputs;
  for (int i = 0; i < updates; ++i) {
    inputs.push_back({.open = [&, i]() -> absl::StatusOr<std::unique_ptr<blobs::BlobReader>> {
                        return std::make_unique<PlainReader>(PlainFile(cohort, cohort.Delta(i)));
                      },
                      .weight = 100 + i});
  }
  PlainReader base(PlainFile(cohort, cohort.base));
  PlainWriter out(cohort.folder / "merged");
  Require(aggregation::MergePlainDeltas(base, inputs, out, GoOn));
}

// What one frame's integers add to.
void AddFrame(std::string_view frame, int64_t first_byte, int64_t data_begin, int64_t weight,
              std::vector<int64_t>& sums) {
  const int64_t skip = std::max<int64_t>(data_begin - first_byte, 0);
  const auto first = static_cast<size_t>((first_byte + skip - data_begin) / 4);
  const size_t count = (frame.size() - static_cast<size_t>(skip)) / 4;
  const char* at = frame.data() + skip;
  for (size_t i = 0; i < count; ++i) {
    int32_t q;
    std::memcpy(&q, at + 4 * i, 4);
    sums[first + i] += weight * q;
  }
}

void DecryptAndAdd(const Cohort& cohort, int updates) {
  const auto store = Require(blobs::BlobStore::Open(cohort.folder / "blobs"));
  const auto data_begin = static_cast<int64_t>(
      tensor::EncodeHeader(Require(tensor::PlainDeltaSpec(Weights(cohort.elements)))).size());
  std::vector<int64_t> sums(static_cast<size_t>(cohort.elements) + 1);
  std::string buffer(blobs::kStoredFrameBytes, '\0');
  for (int i = 0; i < updates; ++i) {
    const fs::path path = Require(store->SealedFile(kRepository, cohort.Delta(i)));
    const FileDescriptor file = Require(OpenFile(path, O_RDONLY));
    std::string header(blobs::kHeaderBytes, '\0');
    Require(ReadFully(file.get(), header.data(), blobs::kHeaderBytes, 0));
    const std::string blob_id = header.substr(blobs::kMagic.size());
    crypto::Aead cipher = Require(blobs::FileCipher(cohort.key, blob_id));
    const int64_t size = data_begin + 4 * cohort.elements;
    for (int64_t frame = 0; frame * blobs::kFrameBytes < size; ++frame) {
      const int64_t bytes = std::min(blobs::kFrameBytes, size - frame * blobs::kFrameBytes);
      Require(ReadFully(file.get(), buffer.data(), bytes + blobs::kOverheadBytes,
                        blobs::FrameOffset(frame)));
      const blobs::FrameAad aad =
          blobs::MakeFrameAad(blob_id, static_cast<uint32_t>(frame), bytes < blobs::kFrameBytes);
      const std::string_view stored(buffer.data(),
                                    static_cast<size_t>(bytes + blobs::kOverheadBytes));
      char* plain = buffer.data() + blobs::kNonceBytes;
      Require(cipher.Open(stored.substr(0, blobs::kNonceBytes), blobs::View(aad),
                          stored.substr(blobs::kNonceBytes), plain));
      AddFrame({plain, static_cast<size_t>(bytes)}, frame * blobs::kFrameBytes, data_begin, 100 + i,
               sums);
    }
  }
}

struct Mapped {
  const char* data = nullptr;
  size_t size = 0;
};

Mapped Map(const fs::path& path) {
  const FileDescriptor file = Require(OpenFile(path, O_RDONLY));
  const size_t size = fs::file_size(path);
  void* data = mmap(nullptr, size, PROT_READ, MAP_SHARED | MAP_POPULATE, file.get(), 0);
  if (data == MAP_FAILED) std::exit(1);
  return {static_cast<const char*>(data), size};
}

void AddAlone(const Cohort& cohort, const std::vector<Mapped>& files, std::vector<int64_t>& sums) {
  for (size_t i = 0; i < files.size(); ++i) {
    const size_t bytes = 4 * static_cast<size_t>(cohort.elements);
    AddFrame({files[i].data + (files[i].size - bytes), bytes}, 0, 0, 100 + static_cast<int64_t>(i),
             sums);
  }
}

void Encrypted(const Cohort& cohort, int updates, int repeats) {
  double rss = 0;
  InProcess([&] {
    MergeEncrypted(cohort, updates);
    std::ofstream(cohort.folder / "rss") << ProcessMib("self", "VmHWM");
  });
  std::ifstream(cohort.folder / "rss") >> rss;
  const Pair pair = InTurn(
      repeats, [&] { MergeEncrypted(cohort, updates); }, [&] { DecryptAndAdd(cohort, updates); });
  Print({{"bench", "merge"},
         {"case", "encrypted-" + std::to_string(updates)},
         {"elements", cohort.elements},
         {"seconds", pair.ours},
         {"baseline_seconds", pair.baseline},
         {"ratio", pair.baseline / pair.ours},
         {"rss_mb", rss}});
}

void Plain(const Cohort& cohort, int updates, int repeats) {
  std::vector<Mapped> files;
  for (int i = 0; i < updates; ++i) {
    files.push_back(Map(PlainFile(cohort, cohort.Delta(i))));
  }
  std::vector<int64_t> sums(static_cast<size_t>(cohort.elements));
  const Pair pair = InTurn(
      repeats, [&] { MergePlainFiles(cohort, updates); }, [&] { AddAlone(cohort, files, sums); });
  for (const Mapped& file : files) munmap(const_cast<char*>(file.data), file.size);
  Print({{"bench", "merge"},
         {"case", "plain-" + std::to_string(updates)},
         {"elements", cohort.elements},
         {"seconds", pair.ours},
         {"baseline_seconds", pair.baseline},
         {"bare_ratio", pair.baseline / pair.ours}});
}

int Main(int argc, char** argv) {
  int64_t elements = 10'000'000;
  int repeats = 3;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (std::string(argv[i]) == "--elements") elements = std::stoll(argv[i + 1]);
    if (std::string(argv[i]) == "--repeats") repeats = std::stoi(argv[i + 1]);
  }
  std::string folder = (fs::temp_directory_path() / "federity-bench-XXXXXX").string();
  if (mkdtemp(folder.data()) == nullptr) return 1;
  Cohort cohort{.folder = folder,
                .elements = elements / kTensors * kTensors,
                .key = crypto::RandomSecret(crypto::kAeadKeySize)};
  FillStore(cohort, 64);
  for (const int updates : {4, 16, 64}) {
    Encrypted(cohort, updates, repeats);
    Plain(cohort, updates, repeats);
  }
  fs::remove_all(folder);
  return 0;
}

}  // namespace
}  // namespace federity::bench

int main(int argc, char** argv) { return federity::bench::Main(argc, argv); }
