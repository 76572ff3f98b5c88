#include "server/api/commit_service.h"

#include "absl/strings/numbers.h"
#include "common/base/errors.h"
#include "common/base/resource_name.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "server/api/converters_repositories.h"
#include "server/api/download_stream.h"
#include "server/repositories/commits.h"
#include "server/repositories/push.h"

namespace federity::api {
namespace {

constexpr std::string_view kCreate = "/federity.v1.CommitService/CreateCommit";
constexpr std::string_view kList = "/federity.v1.CommitService/ListCommits";
constexpr std::string_view kListTags = "/federity.v1.CommitService/ListTags";

v1::Commit CommitFor(const Call& call, const repositories::CommitRow& row) {
  return ToProto(row, call.repository().name, call.caller().is_maintainer());
}

// The id of a name in `collection` of this repository.
absl::StatusOr<std::string> IdIn(const ResourceName& name, std::string_view collection,
                                 std::string_view what) {
  if (name.collection != collection || !name.subcollection.empty()) {
    return InvalidArgument("name", StrCat("\"", FormatResourceName(name), "\" is no ", what));
  }
  return name.id;
}

// Before the call's transaction; see push.h. What it finds is told within it, so
// that a repeated call gets the first one's answer.
absl::StatusOr<repositories::CheckedPush> Check(Dispatcher& dispatcher, blobs::BlobStore& blobs,
                                                const crypto::Secret& key_file,
                                                grpc::CallbackServerContext* context,
                                                const v1::CreateCommitRequest& request) {
  FEDERITY_ASSIGN_OR_RETURN(const Authorised caller,
                            dispatcher.Authorise(context, kCreate, request.parent()));
  repositories::PushRequest push;
  push.repository = caller.repository.id;
  push.repository_name = caller.repository.name;
  push.member = caller.caller.member_id;
  push.parent_commit = request.parent_commit();
  push.program_upload = request.program_upload();
  push.weights_upload = request.weights_upload();
  push.message = request.message();
  push.now = dispatcher.clock().Now();
  return repositories::CheckPush(dispatcher.database(), blobs, key_file, std::move(push),
                                 [context] { return context->IsCancelled(); });
}

}  // namespace

grpc::ServerUnaryReactor* CommitService::CreateCommit(grpc::CallbackServerContext* context,
                                                      const v1::CreateCommitRequest* request,
                                                      v1::Commit* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  pushes_.Post([this, context, request, response, reactor] {
    reactor->Finish(context->IsCancelled() ? grpc::Status::CANCELLED
                                           : Push(context, *request, response));
  });
  return reactor;
}

grpc::Status CommitService::Push(grpc::CallbackServerContext* context,
                                 const v1::CreateCommitRequest& request, v1::Commit* response) {
  const absl::StatusOr<repositories::CheckedPush> checked =
      Check(dispatcher_, blobs_, key_file_, context, request);
  if (absl::IsCancelled(checked.status())) return grpc::Status::CANCELLED;
  return dispatcher_.Handle(
      context, kCreate, request, response,
      [&checked](Call& call, const v1::CreateCommitRequest&, v1::Commit* out) -> absl::Status {
        FEDERITY_RETURN_IF_ERROR(checked.status());
        FEDERITY_ASSIGN_OR_RETURN(const repositories::CommitRow commit,
                                  repositories::Push(call.transaction(), *checked));
        *out = CommitFor(call, commit);
        call.AuditResource(out->name());
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* CommitService::GetCommit(grpc::CallbackServerContext* context,
                                                   const v1::GetCommitRequest* request,
                                                   v1::Commit* response) {
  return dispatcher_.HandleUnary(
      context, "/federity.v1.CommitService/GetCommit", *request, response,
      [](Call& call, const v1::GetCommitRequest&, v1::Commit* out) -> absl::Status {
        FEDERITY_ASSIGN_OR_RETURN(const std::string id, IdIn(call.resource(), "commits", "commit"));
        FEDERITY_ASSIGN_OR_RETURN(
            const repositories::CommitRow commit,
            repositories::ResolveCommit(call.transaction(), call.repository().id, id));
        *out = CommitFor(call, commit);
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* CommitService::ListCommits(grpc::CallbackServerContext* context,
                                                     const v1::ListCommitsRequest* request,
                                                     v1::ListCommitsResponse* response) {
  return dispatcher_.HandleUnary(
      context, kList, *request, response,
      [this](Call& call, const v1::ListCommitsRequest& message,
             v1::ListCommitsResponse* out) -> absl::Status {
        const std::string& parent = call.repository().name;
        FEDERITY_ASSIGN_OR_RETURN(const PageCursor page,
                                  dispatcher_.page_tokens().Read(kList, parent, message.page_size(),
                                                                 message.page_token()));
        int64_t before = 0;
        (void)absl::SimpleAtoi(page.cursor, &before);
        FEDERITY_ASSIGN_OR_RETURN(
            auto rows, repositories::ListCommits(call.transaction(), call.repository().id, before,
                                                 page.size + 1));
        if (static_cast<int>(rows.size()) > page.size) {
          rows.pop_back();
          out->set_next_page_token(
              dispatcher_.page_tokens().Next(kList, parent, StrCat(rows.back().version)));
        }
        for (const repositories::CommitRow& row : rows) *out->add_commits() = CommitFor(call, row);
        return absl::OkStatus();
      });
}

grpc::ServerWriteReactor<v1::DownloadCommitResponse>* CommitService::DownloadCommit(
    grpc::CallbackServerContext* context, const v1::DownloadCommitRequest* request) {
  return StartDownload(dispatcher_, blobs_, key_file_, context, *request);
}

grpc::ServerUnaryReactor* CommitService::RevertCommit(grpc::CallbackServerContext* context,
                                                      const v1::RevertCommitRequest* request,
                                                      v1::Commit* response) {
  return dispatcher_.HandleUnary(
      context, "/federity.v1.CommitService/RevertCommit", *request, response,
      [](Call& call, const v1::RevertCommitRequest& message, v1::Commit* out) -> absl::Status {
        repositories::RevertRequest revert;
        FEDERITY_ASSIGN_OR_RETURN(revert.reference, IdIn(call.resource(), "commits", "commit"));
        revert.repository = call.repository().id;
        revert.member = call.caller().member_id;
        revert.message = message.message();
        revert.now = call.now();
        FEDERITY_ASSIGN_OR_RETURN(const repositories::CommitRow commit,
                                  repositories::Revert(call.transaction(), revert));
        *out = CommitFor(call, commit);
        call.AuditDetail("commit", commit.digest);
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* CommitService::SetTag(grpc::CallbackServerContext* context,
                                                const v1::SetTagRequest* request,
                                                v1::Tag* response) {
  return dispatcher_.HandleUnary(
      context, "/federity.v1.CommitService/SetTag", *request, response,
      [](Call& call, const v1::SetTagRequest& message, v1::Tag* out) -> absl::Status {
        FEDERITY_ASSIGN_OR_RETURN(const std::string tag, IdIn(call.resource(), "tags", "tag"));
        // The commit as a resource name or as its last segment alone.
        std::string reference = message.commit();
        if (const absl::StatusOr<ResourceName> name = ParseResourceName(reference);
            name.ok() && name->collection == "commits") {
          if (name->repository_name() != call.repository().name) {
            return InvalidArgument("commit",
                                   StrCat("\"", reference, "\" is not in this repository"));
          }
          reference = name->id;
        }
        FEDERITY_ASSIGN_OR_RETURN(
            const repositories::TagRow row,
            repositories::SetTag(call.transaction(), call.repository().id, tag, reference,
                                 message.force(), call.now()));
        *out = ToProto(row, call.repository().name);
        call.AuditDetail("commit", row.commit);
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* CommitService::ListTags(grpc::CallbackServerContext* context,
                                                  const v1::ListTagsRequest* request,
                                                  v1::ListTagsResponse* response) {
  return dispatcher_.HandleUnary(
      context, kListTags, *request, response,
      [this](Call& call, const v1::ListTagsRequest& message,
             v1::ListTagsResponse* out) -> absl::Status {
        const std::string& parent = call.repository().name;
        FEDERITY_ASSIGN_OR_RETURN(const PageCursor page, dispatcher_.page_tokens().Read(
                                                             kListTags, parent, message.page_size(),
                                                             message.page_token()));
        FEDERITY_ASSIGN_OR_RETURN(
            auto rows, repositories::ListTags(call.transaction(), call.repository().id, page.cursor,
                                              page.size + 1));
        if (static_cast<int>(rows.size()) > page.size) {
          rows.pop_back();
          out->set_next_page_token(
              dispatcher_.page_tokens().Next(kListTags, parent, rows.back().name));
        }
        for (const repositories::TagRow& row : rows) *out->add_tags() = ToProto(row, parent);
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* CommitService::DeleteTag(grpc::CallbackServerContext* context,
                                                   const v1::DeleteTagRequest* request,
                                                   google::protobuf::Empty* response) {
  return dispatcher_.HandleUnary(
      context, "/federity.v1.CommitService/DeleteTag", *request, response,
      [](Call& call, const v1::DeleteTagRequest&, google::protobuf::Empty*) -> absl::Status {
        FEDERITY_ASSIGN_OR_RETURN(const std::string tag, IdIn(call.resource(), "tags", "tag"));
        return repositories::DeleteTag(call.transaction(), call.repository().id, tag);
      });
}

}  // namespace federity::api
