#ifndef FEDERITY_CLIENT_AGENT_MODEL_CACHE_H_
#define FEDERITY_CLIENT_AGENT_MODEL_CACHE_H_

#include <grpcpp/channel.h>

#include <cstdint>
#include <filesystem>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/transfer/transfer.h"
#include "federity/v1/commits.pb.h"

namespace federity::agent {

// Programs and weights of commits in one folder, each under its digest and
// checked against it at every use. What was used longest ago goes first when
// the folder would outgrow its limit. Not thread-safe.
class ModelCache {
 public:
  ModelCache(std::filesystem::path directory, int64_t max_bytes)
      : directory_(std::move(directory)), max_bytes_(max_bytes) {}

  struct Files {
    std::filesystem::path program;
    std::filesystem::path weights;
  };
  // Both parts of a commit, downloaded if need be. INVALID_ARGUMENT for a commit
  // whose digests or sizes make no sense, LIMIT_EXCEEDED for one larger than the
  // cache, else as DownloadCommitPart.
  absl::StatusOr<Files> Fetch(const std::shared_ptr<grpc::Channel>& channel,
                              const v1::Commit& commit, const transfer::TransferOptions& options);

 private:
  absl::Status MakeRoom(const v1::Commit& commit, const Files& keep);
  absl::Status FetchPart(const std::shared_ptr<grpc::Channel>& channel, const v1::Commit& commit,
                         v1::CommitPart part, const std::filesystem::path& file,
                         transfer::TransferOptions options);

  const std::filesystem::path directory_;
  const int64_t max_bytes_;
};

}  // namespace federity::agent

#endif  // FEDERITY_CLIENT_AGENT_MODEL_CACHE_H_
