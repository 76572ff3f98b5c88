#include <fcntl.h>
#include <grpcpp/client_context.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "client/transfer/call_watchdog.h"
#include "client/transfer/retrier.h"
#include "client/transfer/transfer.h"
#include "common/base/errors.h"
#include "common/base/files.h"
#include "common/base/status_macros.h"
#include "common/crypto/file_digest.h"
#include "common/rpc/channel.h"
#include "common/rpc/status_codec.h"
#include "federity/v1/uploads.grpc.pb.h"

namespace federity::transfer {
namespace {

constexpr absl::Duration kUnaryTimeout = absl::Seconds(30);

struct Source {
  FileDescriptor file;
  int64_t size = 0;
  std::string digest;
};

absl::StatusOr<Source> OpenSource(const std::filesystem::path& path, const std::string& digest) {
  Source source;
  FEDERITY_ASSIGN_OR_RETURN(source.file, OpenFile(path, O_RDONLY));
  struct stat info {};
  if (fstat(source.file.get(), &info) != 0) return ErrnoStatus(errno, path.string());
  source.size = info.st_size;
  source.digest = digest;
  if (!digest.empty()) return source;
  FEDERITY_ASSIGN_OR_RETURN(const crypto::FileContent content,
                            crypto::DigestFile(source.file.get()));
  source.size = content.bytes;
  source.digest = content.digest.ToString();
  return source;
}

// One upload on its way. What the coordinator said last stands in `upload_`;
// after a break it is asked again, because only it knows what it kept.
class Uploader {
 public:
  Uploader(const std::shared_ptr<grpc::Channel>& channel, Source source,
           v1::CreateUploadRequest create, const TransferOptions& options)
      : stub_(v1::UploadService::NewStub(channel)),
        source_(std::move(source)),
        create_(std::move(create)),
        options_(options),
        retrier_(options),
        meter_(options) {}

  absl::StatusOr<std::string> Run() {
    while (!upload_.complete()) {
      if (retrier_.cancelled()) return absl::CancelledError("the upload is no longer wanted");
      const absl::Status status = upload_.name().empty() ? Create() : stale_ ? Ask() : Write();
      if (status.ok()) continue;
      stale_ = true;
      FEDERITY_RETURN_IF_ERROR(retrier_.AfterFailure(status));
    }
    return upload_.name();
  }

 private:
  absl::Status Create() {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + kUnaryTimeout));
    v1::Upload response;
    FEDERITY_RETURN_IF_ERROR(rpc::FromGrpc(stub_->CreateUpload(&context, create_, &response)));
    return Take(response);
  }

  absl::Status Ask() {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + kUnaryTimeout));
    v1::GetUploadRequest request;
    request.set_name(upload_.name());
    v1::Upload response;
    FEDERITY_RETURN_IF_ERROR(rpc::FromGrpc(stub_->GetUpload(&context, request, &response)));
    return Take(response);
  }

  absl::Status Write() {
    const int64_t start = upload_.committed_bytes();
    grpc::ClientContext context;
    v1::Upload response;
    absl::Status read_error;
    grpc::Status status;
    {
      CallWatchdog watchdog(context, options_.cancelled, kStallLimit);
      auto stream = stub_->WriteUpload(&context, &response);
      read_error = SendFrom(start, *stream, watchdog);
      if (!read_error.ok()) context.TryCancel();
      stream->WritesDone();
      status = stream->Finish();
    }
    FEDERITY_RETURN_IF_ERROR(read_error);
    FEDERITY_RETURN_IF_ERROR(rpc::FromGrpc(status));
    FEDERITY_RETURN_IF_ERROR(Take(response));
    if (!upload_.complete() && upload_.committed_bytes() <= start)
      return absl::UnavailableError("the coordinator kept none of the bytes sent");
    return absl::OkStatus();
  }

  absl::Status SendFrom(int64_t at, grpc::ClientWriterInterface<v1::WriteUploadRequest>& stream,
                        CallWatchdog& watchdog) {
    v1::WriteUploadRequest request;
    request.set_name(upload_.name());
    request.set_offset(at);
    do {
      const int64_t n = std::min(rpc::kChunkBytes, source_.size - at);
      request.mutable_data()->resize(static_cast<size_t>(n));
      FEDERITY_RETURN_IF_ERROR(
          ReadFully(source_.file.get(), request.mutable_data()->data(), n, at));
      if (!stream.Write(request)) return absl::OkStatus();  // Finish() says why
      request.clear_name();
      request.clear_offset();
      at += n;
      watchdog.Moved();
      meter_.Report(at, source_.size);
    } while (at < source_.size);
    return absl::OkStatus();
  }

  absl::Status Take(const v1::Upload& response) {
    if (response.name().empty() || response.committed_bytes() < 0 ||
        response.committed_bytes() > source_.size ||
        (!upload_.name().empty() && response.name() != upload_.name()))
      return absl::InternalError(absl::StrCat("the coordinator's answer about upload '",
                                              upload_.name(), "' contradicts itself"));
    if (upload_.name().empty() || response.committed_bytes() > upload_.committed_bytes())
      retrier_.Progress();
    upload_ = response;
    stale_ = false;
    return absl::OkStatus();
  }

  const std::unique_ptr<v1::UploadService::Stub> stub_;
  const Source source_;
  const v1::CreateUploadRequest create_;
  const TransferOptions& options_;
  Retrier retrier_;
  ProgressMeter meter_;
  v1::Upload upload_;
  bool stale_ = false;
};

}  // namespace

absl::StatusOr<std::string> UploadFile(const std::shared_ptr<grpc::Channel>& channel,
                                       std::string_view repository_name,
                                       const std::filesystem::path& file,
                                       std::string_view request_id,
                                       const TransferOptions& options) {
  FEDERITY_ASSIGN_OR_RETURN(Source source, OpenSource(file, options.expected_digest));
  v1::CreateUploadRequest create;
  create.set_parent(std::string(repository_name));
  create.set_size_bytes(source.size);
  create.set_digest(source.digest);
  create.set_request_id(std::string(request_id));
  return Uploader(channel, std::move(source), std::move(create), options).Run();
}

}  // namespace federity::transfer
