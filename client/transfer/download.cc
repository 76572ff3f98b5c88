#include <fcntl.h>
#include <grpcpp/client_context.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "client/transfer/call_watchdog.h"
#include "client/transfer/retrier.h"
#include "client/transfer/transfer.h"
#include "common/base/errors.h"
#include "common/base/files.h"
#include "common/base/status_macros.h"
#include "common/crypto/digest.h"
#include "common/rpc/channel.h"
#include "common/rpc/status_codec.h"
#include "federity/v1/commits.grpc.pb.h"

namespace federity::transfer {
namespace {

// One file on its way: written and hashed as it comes, so that its bytes are
// read once.
class Downloader {
 public:
  Downloader(const std::shared_ptr<grpc::Channel>& channel, std::string_view commit,
             v1::CommitPart part, std::filesystem::path file, const TransferOptions& options)
      : stub_(v1::CommitService::NewStub(channel)),
        file_(std::move(file)),
        partial_(file_.string() + ".partial"),
        options_(options),
        retrier_(options),
        meter_(options),
        digest_(options.expected_digest) {
    request_.set_name(std::string(commit));
    request_.set_part(part);
  }

  absl::Status Run() {
    FEDERITY_RETURN_IF_ERROR(OpenPartial());
    while (size_ < 0 || offset_ < size_) {
      if (retrier_.cancelled()) return absl::CancelledError("the download is no longer wanted");
      const int64_t start = offset_;
      absl::Status status = Receive();
      if (offset_ > start) retrier_.Progress();
      if (status.ok()) continue;
      if (absl::IsDataLoss(status)) return Discard(status);
      // A left-over that does not fit this commit: begin anew, once.
      if (start > 0 && size_ < 0 && !rpc::IsRetryable(status) && !restarted_) {
        restarted_ = true;
        FEDERITY_RETURN_IF_ERROR(Restart());
        continue;
      }
      FEDERITY_RETURN_IF_ERROR(retrier_.AfterFailure(status));
    }
    return Complete();
  }

 private:
  absl::Status OpenPartial() {
    FEDERITY_ASSIGN_OR_RETURN(fd_, OpenFile(partial_, O_RDWR | O_CREAT));
    struct stat info {};
    if (fstat(fd_.get(), &info) != 0) return ErrnoStatus(errno, partial_.string());
    std::string block(static_cast<size_t>(std::min<int64_t>(rpc::kChunkBytes, info.st_size)), '\0');
    while (offset_ < info.st_size) {
      const int64_t n = std::min<int64_t>(rpc::kChunkBytes, info.st_size - offset_);
      FEDERITY_RETURN_IF_ERROR(ReadFully(fd_.get(), block.data(), n, offset_));
      hasher_.Update(std::string_view(block).substr(0, static_cast<size_t>(n)));
      offset_ += n;
    }
    return absl::OkStatus();
  }

  absl::Status Restart() {
    if (ftruncate(fd_.get(), 0) != 0) return ErrnoStatus(errno, partial_.string());
    hasher_ = crypto::Sha256Hasher();
    offset_ = 0;
    return absl::OkStatus();
  }

  absl::Status Receive() {
    request_.set_offset(offset_);
    grpc::ClientContext context;
    absl::Status local;
    grpc::Status remote;
    {
      CallWatchdog watchdog(context, options_.cancelled, kStallLimit);
      auto stream = stub_->DownloadCommit(&context, request_);
      v1::DownloadCommitResponse response;
      bool first = true;
      while (local.ok() && stream->Read(&response)) {
        if (std::exchange(first, false)) local = TakeHeader(response);
        if (local.ok()) local = TakeData(response.data());
        watchdog.Moved();
      }
      if (!local.ok()) context.TryCancel();
      remote = stream->Finish();
    }
    FEDERITY_RETURN_IF_ERROR(local);
    FEDERITY_RETURN_IF_ERROR(rpc::FromGrpc(remote));
    if (size_ < 0 || offset_ < size_)
      return absl::UnavailableError("the coordinator ended the download early");
    return absl::OkStatus();
  }

  absl::Status TakeHeader(const v1::DownloadCommitResponse& response) {
    if (response.size_bytes() < 0 || response.size_bytes() > options_.max_bytes)
      return Error(v1::ERROR_REASON_LIMIT_EXCEEDED,
                   absl::StrCat("the coordinator offers ", response.size_bytes(),
                                " bytes; the limit is ", options_.max_bytes));
    if (digest_.empty()) digest_ = response.digest();
    if (response.digest() != digest_)
      return absl::DataLossError(absl::StrCat("the coordinator offers a file with digest ",
                                              response.digest(), " in place of ", digest_));
    size_ = response.size_bytes();
    if (offset_ > size_) return absl::DataLossError("the partial file is longer than the whole");
    return absl::OkStatus();
  }

  absl::Status TakeData(const std::string& data) {
    if (static_cast<int64_t>(data.size()) > size_ - offset_)
      return absl::DataLossError("the coordinator sends more bytes than it declared");
    FEDERITY_RETURN_IF_ERROR(WriteFully(fd_.get(), data, offset_));
    hasher_.Update(data);
    offset_ += static_cast<int64_t>(data.size());
    meter_.Report(offset_, size_);
    return absl::OkStatus();
  }

  absl::Status Complete() {
    const std::string digest = hasher_.Finish().ToString();
    if (digest != digest_)
      return Discard(absl::DataLossError(absl::StrCat("the downloaded file has digest ", digest,
                                                      ", not ", digest_, "; try again")));
    if (fsync(fd_.get()) != 0) return ErrnoStatus(errno, partial_.string());
    if (rename(partial_.c_str(), file_.c_str()) != 0) return ErrnoStatus(errno, file_.string());
    const auto folder = file_.parent_path();
    return SyncDirectory(folder.empty() ? "." : folder);
  }

  absl::Status Discard(const absl::Status& status) {
    std::error_code ignored;
    std::filesystem::remove(partial_, ignored);
    return status;
  }

  const std::unique_ptr<v1::CommitService::Stub> stub_;
  const std::filesystem::path file_;
  const std::filesystem::path partial_;
  const TransferOptions& options_;
  Retrier retrier_;
  ProgressMeter meter_;
  v1::DownloadCommitRequest request_;
  std::string digest_;
  FileDescriptor fd_;
  crypto::Sha256Hasher hasher_;
  int64_t offset_ = 0;
  int64_t size_ = -1;  // unknown before the first message
  bool restarted_ = false;
};

}  // namespace

absl::Status DownloadCommitPart(const std::shared_ptr<grpc::Channel>& channel,
                                std::string_view commit_name, v1::CommitPart part,
                                const std::filesystem::path& file, const TransferOptions& options) {
  return Downloader(channel, commit_name, part, file, options).Run();
}

}  // namespace federity::transfer
