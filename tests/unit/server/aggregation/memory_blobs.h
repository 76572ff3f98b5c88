#ifndef FEDERITY_TESTS_UNIT_SERVER_AGGREGATION_MEMORY_BLOBS_H_
#define FEDERITY_TESTS_UNIT_SERVER_AGGREGATION_MEMORY_BLOBS_H_

#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/crypto/digest.h"
#include "common/tensor/plain_delta.h"
#include "common/tensor/safetensors.h"
#include "server/blobs/blob_store.h"

namespace federity::aggregation {

class MemoryReader final : public blobs::BlobReader {
 public:
  explicit MemoryReader(std::string bytes) : bytes_(std::move(bytes)) {}
  int64_t size_bytes() const override { return static_cast<int64_t>(bytes_.size()); }
  absl::Status Read(int64_t offset, std::span<char> out) override {
    if (offset < 0 || offset + static_cast<int64_t>(out.size()) > size_bytes()) {
      return absl::InternalError("read beyond the end");
    }
    std::memcpy(out.data(), bytes_.data() + offset, out.size());
    return absl::OkStatus();
  }

 private:
  const std::string bytes_;
};

class MemoryWriter final : public blobs::BlobWriter {
 public:
  int64_t committed_bytes() const override { return written_bytes(); }
  int64_t written_bytes() const override { return static_cast<int64_t>(bytes.size()); }
  absl::Status Write(std::string_view data) override {
    bytes += data;
    return absl::OkStatus();
  }
  absl::Status Flush() override { return absl::OkStatus(); }
  void DiscardBuffered() override {}
  absl::StatusOr<crypto::Digest> Seal(const crypto::Digest*) override {
    return crypto::Sha256(bytes);
  }
  std::string bytes;
};

template <typename T>
std::string BytesOf(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

inline tensor::TensorSpec Spec(std::vector<tensor::TensorInfo> tensors) {
  return *tensor::MakeTensorSpec(tensor::kWeightsEncoding, std::move(tensors));
}

}  // namespace federity::aggregation

#endif  // FEDERITY_TESTS_UNIT_SERVER_AGGREGATION_MEMORY_BLOBS_H_
