#include "server/api/download_stream.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "common/base/errors.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "server/api/access.h"
#include "server/api/member_watch.h"
#include "server/repositories/commits.h"
#include "server/repositories/repositories.h"

namespace federity::api {
namespace {

constexpr std::string_view kMethod = "/federity.v1.CommitService/DownloadCommit";
// How many chunks pass between two looks at the member's row, if nothing tells of a
// change: the repository may be deleted, and a long transfer is a sign of life.
constexpr int kChunksPerCheck = 64;

struct Part {
  std::string digest;
  crypto::Secret key;
};

absl::StatusOr<Part> FindPart(store::Transaction& transaction, const crypto::Secret& key_file,
                              const Authorised& caller, v1::CommitPart which) {
  if (caller.resource.collection != "commits" || !caller.resource.subcollection.empty()) {
    return InvalidArgument("name", "the name is no commit");
  }
  FEDERITY_ASSIGN_OR_RETURN(
      const repositories::CommitRow commit,
      repositories::ResolveCommit(transaction, caller.repository.id, caller.resource.id));
  Part part;
  switch (which) {
    case v1::COMMIT_PART_PROGRAM:
      part.digest = commit.program_digest;
      break;
    case v1::COMMIT_PART_WEIGHTS:
      part.digest = commit.weights_digest;
      break;
    default:
      return InvalidArgument("part", "part must be program or weights");
  }
  FEDERITY_ASSIGN_OR_RETURN(part.key,
                            repositories::BlobKey(transaction, caller.repository.id, key_file));
  return part;
}

class DownloadStream final : public grpc::ServerWriteReactor<v1::DownloadCommitResponse> {
 public:
  explicit DownloadStream(Dispatcher& dispatcher) : dispatcher_(dispatcher) {}

  void Start(blobs::BlobStore& blobs, const crypto::Secret& key_file,
             grpc::CallbackServerContext* context, const v1::DownloadCommitRequest& request) {
    absl::Status status = Open(blobs, key_file, context, request);
    if (status.ok()) status = Next();
    if (!status.ok()) End(status);
  }

  void OnWriteDone(bool ok) override {
    if (!ok) {
      Finish(grpc::Status::CANCELLED);
      return;
    }
    if (offset_ == reader_->size_bytes()) {
      Finish(grpc::Status::OK);
      return;
    }
    if (absl::Status status = Next(); !status.ok()) End(status);
  }

  void OnDone() override { delete this; }

 private:
  absl::Status Open(blobs::BlobStore& blobs, const crypto::Secret& key_file,
                    grpc::CallbackServerContext* context,
                    const v1::DownloadCommitRequest& request) {
    FEDERITY_ASSIGN_OR_RETURN(const std::string member_id, PeerMemberId(*context->auth_context()));
    member_.emplace(dispatcher_.database(), member_id);
    FEDERITY_ASSIGN_OR_RETURN(caller_, dispatcher_.Authorise(context, kMethod, request.name()));
    Part part;
    FEDERITY_RETURN_IF_ERROR(dispatcher_.database().RunInTransaction(
        [&](store::Transaction& transaction) -> absl::Status {
          FEDERITY_ASSIGN_OR_RETURN(part, FindPart(transaction, key_file, caller_, request.part()));
          return absl::OkStatus();
        }));
    FEDERITY_ASSIGN_OR_RETURN(const crypto::Digest address, crypto::ParseDigest(part.digest));
    FEDERITY_ASSIGN_OR_RETURN(reader_, blobs.OpenReader(caller_.repository.id, address, part.key));
    if (request.offset() < 0 || request.offset() > reader_->size_bytes()) {
      return InvalidArgument("offset", StrCat("offset is ", request.offset(), "; the part has ",
                                              reader_->size_bytes(), " bytes"));
    }
    offset_ = request.offset();
    response_.set_size_bytes(reader_->size_bytes());
    response_.set_digest(part.digest);
    return absl::OkStatus();
  }

  // Up to the next frame's beginning, so that all further frames are decrypted
  // straight into the message.
  absl::Status Next() {
    const bool due = ++chunks_ % kChunksPerCheck == 0;
    if (member_->Changed() || due) {
      FEDERITY_RETURN_IF_ERROR(dispatcher_.StillAuthorised(caller_, kMethod));
    }
    if (chunks_ == 2) {  // only the first message says what comes
      response_.clear_size_bytes();
      response_.clear_digest();
    }
    const int64_t part = std::min(blobs::kFrameBytes - offset_ % blobs::kFrameBytes,
                                  reader_->size_bytes() - offset_);
    std::string& data = *response_.mutable_data();
    data.resize(static_cast<size_t>(part));
    FEDERITY_RETURN_IF_ERROR(reader_->Read(offset_, std::span<char>(data)));
    offset_ += part;
    StartWrite(&response_);
    return absl::OkStatus();
  }

  void End(const absl::Status& status) { Finish(dispatcher_.ToClient(kMethod, status)); }

  Dispatcher& dispatcher_;
  std::optional<MemberWatch> member_;
  Authorised caller_;
  std::unique_ptr<blobs::BlobReader> reader_;
  int64_t offset_ = 0;
  int64_t chunks_ = 0;
  v1::DownloadCommitResponse response_;
};

}  // namespace

grpc::ServerWriteReactor<v1::DownloadCommitResponse>* StartDownload(
    Dispatcher& dispatcher, blobs::BlobStore& blobs, const crypto::Secret& key_file,
    grpc::CallbackServerContext* context, const v1::DownloadCommitRequest& request) {
  auto* stream = new DownloadStream(dispatcher);
  stream->Start(blobs, key_file, context, request);
  return stream;
}

}  // namespace federity::api
