#include "server/api/upload_stream.h"

#include <optional>

#include "common/base/errors.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "common/log/log.h"
#include "common/rpc/status_codec.h"
#include "server/api/access.h"
#include "server/api/converters_repositories.h"
#include "server/api/member_watch.h"
#include "server/repositories/repositories.h"
#include "server/rounds/contributions.h"

namespace federity::api {
namespace {

constexpr std::string_view kMethod = "/federity.v1.UploadService/WriteUpload";
// How many messages pass between two looks at the member's row, if nothing tells of
// a change.
constexpr int kMessagesPerCheck = 64;
constexpr absl::Duration kProgressInterval = absl::Seconds(5);
constexpr size_t kMaxChunkBytes = 1 << 20;

class UploadStream final : public grpc::ServerReadReactor<v1::WriteUploadRequest> {
 public:
  UploadStream(UploadEnvironment& environment, grpc::CallbackServerContext* context,
               v1::Upload* response)
      : environment_(environment), context_(context), response_(*response) {
    // Nobody without a certificate may hold a stream open.
    const absl::StatusOr<std::string> member_id = PeerMemberId(*context->auth_context());
    if (!member_id.ok()) {
      End(member_id.status());
      return;
    }
    member_.emplace(environment.dispatcher.database(), *member_id);
    StartRead(&request_);
  }

  // The next read is asked for by Go: one thing happens at a time.
  void OnReadDone(bool ok) override {
    if (ok && messages_ > 0) return Go(Append());
    environment_.slow.Post([this, ok] {
      if (ok) {
        absl::Status status = Begin();
        if (status.ok()) status = Append();
        return Go(status);
      }
      // The client is done, or gone: what came is kept in either case.
      End(messages_ == 0 ? InvalidArgument("name", "the stream had no message") : Complete());
    });
  }

  void OnDone() override { delete this; }

 private:
  void Go(const absl::Status& status) {
    if (!status.ok()) return End(status);
    StartRead(&request_);
  }

  absl::Status Begin() {
    if (context_->IsCancelled()) return absl::AbortedError("the client is gone");
    FEDERITY_ASSIGN_OR_RETURN(
        caller_, environment_.dispatcher.Authorise(context_, kMethod, request_.name()));
    if (caller_.resource.collection != "uploads" || !caller_.resource.subcollection.empty()) {
      return InvalidArgument("name", StrCat("\"", request_.name(), "\" is no upload"));
    }
    crypto::Secret key;
    const absl::Time now = environment_.dispatcher.clock().Now();
    FEDERITY_RETURN_IF_ERROR(environment_.dispatcher.database().RunInTransaction(
        [&](store::Transaction& transaction) -> absl::Status {
          FEDERITY_ASSIGN_OR_RETURN(
              upload_, repositories::GetUpload(transaction, caller_.repository.id,
                                               caller_.caller.member_id, caller_.resource.id, now));
          FEDERITY_ASSIGN_OR_RETURN(key, repositories::BlobKey(transaction, caller_.repository.id,
                                                               environment_.key_file));
          return Extend(transaction);
        }));
    const int64_t offset = request_.offset();
    if (upload_.complete) return CheckOffset(offset, upload_.size_bytes);

    slot_ = environment_.writers.Find(upload_.id);
    absl::MutexLock lock(&slot_->mutex);
    holder_ = ++slot_->holder;
    if (slot_->writer != nullptr && slot_->writer->Flush().ok()) {
      slot_->writer->DiscardBuffered();
    } else {
      slot_->writer.reset();
      FEDERITY_ASSIGN_OR_RETURN(slot_->writer,
                                environment_.blobs.OpenWriter(upload_.repository, upload_.id, key));
    }
    return CheckOffset(offset, slot_->writer->committed_bytes());
  }

  static absl::Status CheckOffset(int64_t offset, int64_t committed) {
    if (offset == committed) return absl::OkStatus();
    return Error(v1::ERROR_REASON_OFFSET_MISMATCH,
                 StrCat("The upload goes on at ", committed, ", not at ", offset, "."),
                 {{"committed_bytes", StrCat(committed)}});
  }

  absl::Status Append() {
    const bool due = ++messages_ % kMessagesPerCheck == 0;
    if (member_->Changed() || due) {
      FEDERITY_RETURN_IF_ERROR(environment_.dispatcher.StillAuthorised(caller_, kMethod));
    }
    const std::string& data = request_.data();
    if (data.size() > kMaxChunkBytes) {
      return InvalidArgument(
          "data", StrCat("a message has at most 1 MiB of data, this one ", data.size(), " bytes"));
    }
    if (data.empty()) return absl::OkStatus();
    if (upload_.complete) return TooLarge();
    absl::MutexLock lock(&slot_->mutex);
    FEDERITY_RETURN_IF_ERROR(CheckHolder());
    if (static_cast<int64_t>(data.size()) > upload_.size_bytes - slot_->writer->written_bytes()) {
      return TooLarge();
    }
    FEDERITY_RETURN_IF_ERROR(slot_->writer->Write(data));
    NoteProgress();
    return absl::OkStatus();
  }

  // However slow it is, an update that arrives is not silence.
  void NoteProgress() {
    const absl::Time now = environment_.dispatcher.clock().Now();
    if (caller_.caller.kind != v1::MEMBER_KIND_AGENT || now - noted_ < kProgressInterval) return;
    noted_ = now;
    const absl::Status status =
        environment_.dispatcher.database().RunInTransaction([&](store::Transaction& transaction) {
          return rounds::NoteUpload(transaction, caller_.repository.id, caller_.caller.member_id,
                                    now);
        });
    if (!status.ok()) {
      log::Warning("an upload's progress was not noted",
                   {{"upload", upload_.id}, {"error", std::string(status.message())}});
    }
  }

  absl::Status TooLarge() const {
    return Error(v1::ERROR_REASON_UPLOAD_TOO_LARGE,
                 StrCat("The upload was declared with ", upload_.size_bytes,
                        " bytes; more than that came."));
  }

  absl::Status CheckHolder() ABSL_EXCLUSIVE_LOCKS_REQUIRED(slot_->mutex) {
    if (slot_->holder == holder_ && slot_->writer != nullptr) return absl::OkStatus();
    return absl::AbortedError("a newer stream took this upload over");
  }

  absl::Status Complete() {
    int64_t committed = upload_.size_bytes;
    if (!upload_.complete) {
      absl::MutexLock lock(&slot_->mutex);
      FEDERITY_RETURN_IF_ERROR(CheckHolder());
      if (slot_->writer->written_bytes() == upload_.size_bytes) {
        FEDERITY_RETURN_IF_ERROR(repositories::SealUpload(environment_.dispatcher.database(),
                                                          *slot_->writer, upload_,
                                                          environment_.dispatcher.clock().Now()));
        upload_.complete = true;
      } else {
        FEDERITY_RETURN_IF_ERROR(slot_->writer->Flush());
      }
      committed = slot_->writer->committed_bytes();
    }
    if (absl::Status status = environment_.dispatcher.database().RunInTransaction(
            [&](store::Transaction& transaction) { return Extend(transaction); });
        !status.ok()) {
      log::Warning("an upload's life was not extended",
                   {{"upload", upload_.id}, {"error", std::string(status.message())}});
    }
    response_ = ToProto(upload_, caller_.repository.name, committed);
    return absl::OkStatus();
  }

  absl::Status Extend(store::Transaction& transaction) {
    upload_.expires_at = environment_.dispatcher.clock().Now() + environment_.limits.lifetime;
    return repositories::ExtendUpload(transaction, upload_.id, upload_.expires_at);
  }

  void End(const absl::Status& status) {
    if (slot_ != nullptr) {
      {
        absl::MutexLock lock(&slot_->mutex);
        if (slot_->holder == holder_ && slot_->writer != nullptr) {
          // A failed flush loses bytes that the client still has.
          (void)slot_->writer->Flush();
          slot_->writer.reset();
        }
      }
      environment_.writers.Release(upload_.id, std::move(slot_));
    }
    if (status.ok()) {
      Finish(grpc::Status::OK);
    } else if (absl::IsAborted(status)) {
      Finish(rpc::ToGrpc(status));  // superseded: no fault to log
    } else {
      Finish(environment_.dispatcher.ToClient(kMethod, status));
    }
  }

  UploadEnvironment& environment_;
  grpc::CallbackServerContext* const context_;
  v1::Upload& response_;
  v1::WriteUploadRequest request_;
  std::optional<MemberWatch> member_;
  Authorised caller_;
  repositories::UploadRow upload_;
  std::shared_ptr<UploadWriters::Slot> slot_;
  uint64_t holder_ = 0;
  int64_t messages_ = 0;
  absl::Time noted_ = absl::InfinitePast();  // progress, in the database
};

}  // namespace

std::shared_ptr<UploadWriters::Slot> UploadWriters::Find(const std::string& upload) {
  absl::MutexLock lock(&mutex_);
  std::shared_ptr<Slot>& slot = slots_[upload];
  if (slot == nullptr) slot = std::make_shared<Slot>();
  return slot;
}

void UploadWriters::Release(const std::string& upload, std::shared_ptr<Slot> slot) {
  std::shared_ptr<Slot> last;  // freed without the lock
  absl::MutexLock lock(&mutex_);
  // Streams' copies are made and dropped under this mutex alone.
  slot.reset();
  const auto found = slots_.find(upload);
  if (found == slots_.end() || found->second.use_count() > 1) return;
  last = std::move(found->second);
  slots_.erase(found);
}

grpc::ServerReadReactor<v1::WriteUploadRequest>* StartUpload(UploadEnvironment& environment,
                                                             grpc::CallbackServerContext* context,
                                                             v1::Upload* response) {
  return new UploadStream(environment, context, response);
}

}  // namespace federity::api
