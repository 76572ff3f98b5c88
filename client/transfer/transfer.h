#ifndef FEDERITY_CLIENT_TRANSFER_TRANSFER_H_
#define FEDERITY_CLIENT_TRANSFER_TRANSFER_H_

#include <grpcpp/channel.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "federity/v1/commits.pb.h"

namespace federity::transfer {

struct TransferOptions {
  // Called about ten times a second with bytes done and in all; may be empty.
  std::function<void(int64_t done, int64_t total)> on_progress;
  // Polled; true ends the transfer with CANCELLED. May be empty.
  std::function<bool()> cancelled;
  // How long to go on without any progress before the error is returned.
  absl::Duration give_up_after = absl::Minutes(10);
  // The first pause after a break; it doubles up to 30 s, with jitter.
  absl::Duration first_pause = absl::Seconds(1);
  // The digest that the file must have, "sha256:…". Downloads without it take the one
  // that the coordinator declares. Uploads without it read the file once more; the
  // coordinator refuses other bytes with DIGEST_MISMATCH.
  std::string expected_digest;
  // Downloads: a larger file is refused.
  int64_t max_bytes = int64_t{1} << 37;
};

// Uploads a file and returns the complete upload's resource name. `request_id`
// makes CreateUpload repeatable: the same file with the same request_id goes on
// where the coordinator's committed size stands, also after a restart of either
// side. Retries with jittered backoff.
absl::StatusOr<std::string> UploadFile(const std::shared_ptr<grpc::Channel>& channel,
                                       std::string_view repository_name,
                                       const std::filesystem::path& file,
                                       std::string_view request_id,
                                       const TransferOptions& options = {});

// Downloads a part of a commit to `file` through `file`.partial, which a later
// call continues; the digest is checked before the rename. DATA_LOSS if it
// differs (the partial file is then deleted).
absl::Status DownloadCommitPart(const std::shared_ptr<grpc::Channel>& channel,
                                std::string_view commit_name, v1::CommitPart part,
                                const std::filesystem::path& file,
                                const TransferOptions& options = {});

}  // namespace federity::transfer

#endif  // FEDERITY_CLIENT_TRANSFER_TRANSFER_H_
