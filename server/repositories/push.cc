#include "server/repositories/push.h"

#include "common/base/errors.h"
#include "common/base/resource_name.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "server/repositories/plans.h"
#include "server/repositories/repositories.h"
#include "server/repositories/text.h"
#include "server/repositories/uploads.h"
#include "server/repositories/weights_check.h"

namespace federity::repositories {
namespace {

constexpr int64_t kMaxMessage = 2000;

// What CheckPush reads from the database.
struct Inputs {
  crypto::Secret key;
  std::optional<CommitRow> parent;
  std::optional<UploadRow> program;
  UploadRow weights;
};

absl::StatusOr<std::optional<CommitRow>> FindParent(store::Transaction& transaction,
                                                    const PushRequest& request,
                                                    const RepositoryRow& repository) {
  if (request.parent_commit.empty()) {
    if (repository.head.has_value()) return HeadMoved(repository.head);
    return std::optional<CommitRow>();
  }
  absl::StatusOr<ResourceName> name = ParseResourceName(request.parent_commit);
  if (!name.ok() || name->collection != "commits" || !name->subcollection.empty() ||
      name->repository_name() != request.repository_name) {
    return InvalidArgument(
        "parent_commit", StrCat("\"", request.parent_commit, "\" is no commit of this repository"));
  }
  if (!repository.head.has_value()) return HeadMoved(repository.head);
  FEDERITY_ASSIGN_OR_RETURN(CommitRow parent,
                            ResolveCommit(transaction, request.repository, name->id));
  if (parent.digest != *repository.head) return HeadMoved(repository.head);
  return std::optional<CommitRow>(std::move(parent));
}

absl::StatusOr<Inputs> ReadInputs(store::Transaction& transaction, const PushRequest& request,
                                  const crypto::Secret& key_file) {
  FEDERITY_ASSIGN_OR_RETURN(const RepositoryRow repository,
                            GetRepository(transaction, request.repository));
  FEDERITY_RETURN_IF_ERROR(CheckNoRoundRuns(transaction, request.repository));
  Inputs inputs;
  FEDERITY_ASSIGN_OR_RETURN(inputs.key, BlobKey(transaction, request.repository, key_file));
  FEDERITY_ASSIGN_OR_RETURN(inputs.parent, FindParent(transaction, request, repository));
  const auto upload = [&](const std::string& name) {
    return GetCompleteUpload(transaction, request.repository, request.repository_name,
                             request.member, name, request.now);
  };
  FEDERITY_ASSIGN_OR_RETURN(inputs.weights, upload(request.weights_upload));
  if (!request.program_upload.empty()) {
    FEDERITY_ASSIGN_OR_RETURN(inputs.program, upload(request.program_upload));
  } else if (!inputs.parent.has_value()) {
    return InvalidArgument("program_upload", "the first commit of a repository needs a program");
  }
  return inputs;
}

absl::StatusOr<std::unique_ptr<blobs::BlobReader>> OpenBlob(blobs::BlobStore& blobs,
                                                            const std::string& repository,
                                                            const std::string& digest,
                                                            const crypto::Secret& key) {
  FEDERITY_ASSIGN_OR_RETURN(const crypto::Digest address, crypto::ParseDigest(digest));
  return blobs.OpenReader(repository, address, key);
}

absl::Status NothingChanged(std::string_view head) {
  return Error(v1::ERROR_REASON_NOTHING_CHANGED,
               StrCat("Program and weights are those of the head, ", head, "; nothing to commit."));
}

}  // namespace

absl::StatusOr<CheckedPush> CheckPush(store::Database& database, blobs::BlobStore& blobs,
                                      const crypto::Secret& key_file, PushRequest request,
                                      const std::function<bool()>& cancelled) {
  FEDERITY_RETURN_IF_ERROR(CheckText("message", request.message, kMaxMessage, true));
  Inputs inputs;
  FEDERITY_RETURN_IF_ERROR(
      database.RunInTransaction([&](store::Transaction& transaction) -> absl::Status {
        FEDERITY_ASSIGN_OR_RETURN(inputs, ReadInputs(transaction, request, key_file));
        return absl::OkStatus();
      }));

  CheckedPush push;
  push.weights_digest = inputs.weights.digest;
  push.weights_bytes = inputs.weights.size_bytes;
  push.program_digest = inputs.program ? inputs.program->digest : inputs.parent->program_digest;
  push.program_bytes = inputs.program ? inputs.program->size_bytes : inputs.parent->program_bytes;
  const bool same_program =
      inputs.parent.has_value() && inputs.parent->program_digest == push.program_digest;
  if (same_program && inputs.parent->weights_digest == push.weights_digest) {
    return NothingChanged(inputs.parent->digest);
  }

  FEDERITY_ASSIGN_OR_RETURN(const std::unique_ptr<blobs::BlobReader> weights,
                            OpenBlob(blobs, request.repository, push.weights_digest, inputs.key));
  FEDERITY_ASSIGN_OR_RETURN(const tensor::TensorSpec spec, ReadWeightsSpec(*weights));
  if (same_program) {
    FEDERITY_ASSIGN_OR_RETURN(
        const std::unique_ptr<blobs::BlobReader> before,
        OpenBlob(blobs, request.repository, inputs.parent->weights_digest, inputs.key));
    FEDERITY_ASSIGN_OR_RETURN(const tensor::TensorSpec expected, ReadWeightsSpec(*before));
    FEDERITY_RETURN_IF_ERROR(CheckSameTensors(expected, spec));
  }
  FEDERITY_RETURN_IF_ERROR(CheckWeightsFinite(*weights, spec, cancelled));
  push.parameter_count = spec.elements();
  if (inputs.parent.has_value()) push.parent = inputs.parent->digest;
  push.request = std::move(request);
  return push;
}

absl::StatusOr<CommitRow> Push(store::Transaction& transaction, const CheckedPush& push) {
  const PushRequest& request = push.request;
  FEDERITY_ASSIGN_OR_RETURN(const RepositoryRow repository,
                            GetRepository(transaction, request.repository, Lock::kForUpdate));
  FEDERITY_RETURN_IF_ERROR(CheckNoRoundRuns(transaction, request.repository));
  // Again, because uploads may have expired, and their blobs with them, since.
  for (const std::string& name : {request.weights_upload, request.program_upload}) {
    if (name.empty()) continue;
    FEDERITY_ASSIGN_OR_RETURN(
        const UploadRow upload,
        GetCompleteUpload(transaction, request.repository, request.repository_name, request.member,
                          name, request.now));
    FEDERITY_RETURN_IF_ERROR(ConsumeUpload(transaction, upload.id));
  }
  NewCommit commit;
  commit.repository = request.repository;
  commit.parent = push.parent;
  commit.program_digest = push.program_digest;
  commit.program_bytes = push.program_bytes;
  commit.weights_digest = push.weights_digest;
  commit.weights_bytes = push.weights_bytes;
  commit.parameter_count = push.parameter_count;
  commit.plan_digest = repository.plan_digest;
  commit.standardisation_digest = repository.standardisation_digest;
  commit.message = request.message;
  commit.creator = request.member;
  commit.now = request.now;
  return InsertCommit(transaction, commit);
}

namespace {

// Weights are of use only with the features, their order and the standardisation
// that they were trained with, so these come back with them.
absl::Status PutInForce(store::Transaction& transaction, const RevertRequest& request,
                        const CommitRow& target) {
  FEDERITY_ASSIGN_OR_RETURN(const PlanRow row,
                            GetPlan(transaction, request.repository, target.plan_digest));
  FEDERITY_ASSIGN_OR_RETURN(const Plan plan, row.Parse());
  FEDERITY_RETURN_IF_ERROR(
      SetPlan(transaction, request.repository, plan, request.member, request.now).status());
  return transaction
      .Execute("UPDATE repositories SET standardisation_digest = $2 WHERE id = $1",
               store::Params().Text(request.repository).OptionalText(target.standardisation_digest))
      .status();
}

}  // namespace

absl::StatusOr<CommitRow> Revert(store::Transaction& transaction, const RevertRequest& request) {
  FEDERITY_RETURN_IF_ERROR(CheckText("message", request.message, kMaxMessage, true));
  FEDERITY_ASSIGN_OR_RETURN(const RepositoryRow repository,
                            GetRepository(transaction, request.repository, Lock::kForUpdate));
  FEDERITY_RETURN_IF_ERROR(CheckNoRoundRuns(transaction, request.repository));
  FEDERITY_ASSIGN_OR_RETURN(const CommitRow target,
                            ResolveCommit(transaction, request.repository, request.reference));
  FEDERITY_ASSIGN_OR_RETURN(const CommitRow head,
                            ResolveCommit(transaction, request.repository, "head"));
  if (target.program_digest == head.program_digest &&
      target.weights_digest == head.weights_digest &&
      target.plan_digest == repository.plan_digest &&
      target.standardisation_digest == repository.standardisation_digest) {
    return NothingChanged(head.digest);
  }
  FEDERITY_RETURN_IF_ERROR(PutInForce(transaction, request, target));
  NewCommit commit;
  commit.repository = request.repository;
  commit.parent = head.digest;
  commit.program_digest = target.program_digest;
  commit.program_bytes = target.program_bytes;
  commit.weights_digest = target.weights_digest;
  commit.weights_bytes = target.weights_bytes;
  commit.parameter_count = target.parameter_count;
  commit.plan_digest = target.plan_digest;
  commit.standardisation_digest = target.standardisation_digest;
  commit.message =
      request.message.empty() ? StrCat("Revert to v", target.version) : request.message;
  commit.creator = request.member;
  commit.now = request.now;
  return InsertCommit(transaction, commit);
}

}  // namespace federity::repositories
