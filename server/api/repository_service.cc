#include "server/api/repository_service.h"

#include "common/base/errors.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "common/log/log.h"
#include "server/api/converters_repositories.h"
#include "server/membership/conversions.h"
#include "server/repositories/commits.h"
#include "server/repositories/plans.h"
#include "server/repositories/repositories.h"

namespace federity::api {
namespace {

constexpr std::string_view kList = "/federity.v1.RepositoryService/ListRepositories";

absl::StatusOr<v1::Repository> Describe(store::Transaction& transaction,
                                        const repositories::RepositoryRow& row, v1::Role role) {
  const std::string name = row.resource_name();
  v1::Repository repository;
  repository.set_name(name);
  repository.set_description(row.description);
  membership::SetTimestamp(row.created_at, repository.mutable_create_time());
  repository.set_plan(NameByDigest(name, "plans", row.plan_digest));
  repository.set_plan_digest(row.plan_digest);
  if (row.head.has_value()) {
    FEDERITY_ASSIGN_OR_RETURN(const repositories::CommitRow head,
                              repositories::GetCommit(transaction, row.id, *row.head));
    repository.set_head(NameByDigest(name, "commits", head.digest));
    repository.set_program_digest(head.program_digest);
  }
  if (row.standardisation_digest.has_value()) {
    repository.set_standardisation(
        NameByDigest(name, "standardisations", *row.standardisation_digest));
  }
  repository.set_member_count(row.member_count);
  repository.set_caller_role(role);
  FEDERITY_ASSIGN_OR_RETURN(const repositories::PlanRow plan_row,
                            repositories::CurrentPlan(transaction, row.id));
  FEDERITY_ASSIGN_OR_RETURN(const Plan plan, plan_row.Parse());
  for (std::string& line : repositories::PrivacyLines(plan)) {
    repository.add_privacy_lines(std::move(line));
  }
  return repository;
}

absl::StatusOr<v1::Repository> DescribeById(Call& call, std::string_view id) {
  FEDERITY_ASSIGN_OR_RETURN(const repositories::RepositoryRow row,
                            repositories::GetRepository(call.transaction(), id));
  return Describe(call.transaction(), row, call.caller().role);
}

}  // namespace

grpc::ServerUnaryReactor* RepositoryService::CreateRepository(
    grpc::CallbackServerContext* context, const v1::CreateRepositoryRequest* request,
    v1::Repository* response) {
  return dispatcher_.HandleUnary(
      context, "/federity.v1.RepositoryService/CreateRepository", *request, response,
      [this](Call& call, const v1::CreateRepositoryRequest& message,
             v1::Repository* out) -> absl::Status {
        repositories::NewRepository repository;
        FEDERITY_ASSIGN_OR_RETURN(repository.plan, ParsePlan(message.plan_toml()));
        repository.organization = call.resource().organization;
        repository.name = message.repository_id();
        repository.description = message.description();
        repository.creator = call.caller().member_id;
        repository.now = call.now();
        FEDERITY_ASSIGN_OR_RETURN(
            const std::string id,
            repositories::CreateRepository(call.transaction(), repository, key_file_));
        FEDERITY_ASSIGN_OR_RETURN(*out, DescribeById(call, id));
        call.AuditResource(out->name());
        call.AuditDetail("plan", out->plan_digest());
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* RepositoryService::GetRepository(grpc::CallbackServerContext* context,
                                                           const v1::GetRepositoryRequest* request,
                                                           v1::Repository* response) {
  return dispatcher_.HandleUnary(
      context, "/federity.v1.RepositoryService/GetRepository", *request, response,
      [](Call& call, const v1::GetRepositoryRequest&, v1::Repository* out) -> absl::Status {
        FEDERITY_ASSIGN_OR_RETURN(*out, DescribeById(call, call.repository().id));
        return absl::OkStatus();
      });
}

// A member belongs to one scope: a repository, or a namespace with all of its
// repositories.
grpc::ServerUnaryReactor* RepositoryService::ListRepositories(
    grpc::CallbackServerContext* context, const v1::ListRepositoriesRequest* request,
    v1::ListRepositoriesResponse* response) {
  return dispatcher_.HandleUnary(
      context, kList, *request, response,
      [this](Call& call, const v1::ListRepositoriesRequest& message,
             v1::ListRepositoriesResponse* out) -> absl::Status {
        FEDERITY_ASSIGN_OR_RETURN(
            const PageCursor page,
            dispatcher_.page_tokens().Read(kList, call.caller().member_id, message.page_size(),
                                           message.page_token()));
        repositories::RepositoryFilter filter;
        filter.organization = call.caller().scope_organization;
        filter.repository = call.caller().scope_repository_id;
        filter.after = page.cursor;
        filter.limit = page.size + 1;
        FEDERITY_ASSIGN_OR_RETURN(auto rows,
                                  repositories::ListRepositories(call.transaction(), filter));
        if (static_cast<int>(rows.size()) > page.size) {
          rows.pop_back();
          out->set_next_page_token(
              dispatcher_.page_tokens().Next(kList, call.caller().member_id, rows.back().name));
        }
        for (const repositories::RepositoryRow& row : rows) {
          FEDERITY_ASSIGN_OR_RETURN(*out->add_repositories(),
                                    Describe(call.transaction(), row, call.caller().role));
        }
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* RepositoryService::DeleteRepository(
    grpc::CallbackServerContext* context, const v1::DeleteRepositoryRequest* request,
    google::protobuf::Empty* response) {
  return dispatcher_.HandleUnary(
      context, "/federity.v1.RepositoryService/DeleteRepository", *request, response,
      [this](Call& call, const v1::DeleteRepositoryRequest&,
             google::protobuf::Empty*) -> absl::Status {
        if (!call.resource().collection.empty()) {
          return InvalidArgument("name", "only a repository can be deleted here");
        }
        const std::string id = call.repository().id;
        FEDERITY_RETURN_IF_ERROR(
            repositories::DeleteRepository(call.transaction(), id, call.now()));
        // The key is gone already; files that stay behind are the collector's.
        call.AfterCommit([this, id] {
          if (absl::Status status = blobs_.DeleteRepository(id); !status.ok()) {
            log::Warning("blobs of a deleted repository stay for now",
                         {{"repository", id}, {"error", std::string(status.message())}});
          }
        });
        return absl::OkStatus();
      });
}

}  // namespace federity::api
