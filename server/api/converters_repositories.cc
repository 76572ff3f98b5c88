#include "server/api/converters_repositories.h"

#include "common/base/strings.h"
#include "common/plan/plan.h"
#include "server/membership/conversions.h"
#include "server/repositories/text.h"

namespace federity::api {

using membership::SetTimestamp;

std::string NameByDigest(std::string_view repository_name, std::string_view collection,
                         std::string_view digest) {
  return StrCat(repository_name, "/", collection, "/", repositories::HexOfDigest(digest));
}

int64_t ExampleBucket(int64_t examples) {
  if (examples <= 0) return 0;
  int64_t bucket = 1;
  while (bucket <= examples / 10) bucket *= 10;
  return bucket;
}

v1::Commit ToProto(const repositories::CommitRow& row, std::string_view repository_name,
                   bool exact_examples) {
  v1::Commit commit;
  commit.set_name(NameByDigest(repository_name, "commits", row.digest));
  commit.set_version(row.version);
  commit.set_digest(row.digest);
  if (row.parent.has_value()) {
    commit.set_parent(NameByDigest(repository_name, "commits", *row.parent));
  }
  commit.set_program_digest(row.program_digest);
  commit.set_program_bytes(row.program_bytes);
  commit.set_weights_digest(row.weights_digest);
  commit.set_weights_bytes(row.weights_bytes);
  commit.set_plan_digest(row.plan_digest);
  commit.set_standardisation_digest(row.standardisation_digest.value_or(""));
  commit.set_message(row.message);
  if (row.round.has_value()) commit.set_round(StrCat(repository_name, "/rounds/", *row.round));
  commit.set_contribution_count(row.contribution_count);
  commit.set_examples(exact_examples ? row.examples : ExampleBucket(row.examples));
  commit.set_creator(row.creator);
  SetTimestamp(row.created_at, commit.mutable_create_time());
  for (const std::string& tag : row.tags) commit.add_tags(tag);
  if (row.metrics.has_value()) {
    v1::Metrics& metrics = *commit.mutable_metrics();
    metrics.set_examples(row.metrics->examples);
    metrics.set_loss_sum(row.metrics->loss_sum);
    metrics.mutable_confusion()->Add(row.metrics->confusion.begin(), row.metrics->confusion.end());
    metrics.set_contributors(row.metrics->contributors);
  }
  commit.set_parameter_count(row.parameter_count);
  return commit;
}

v1::Tag ToProto(const repositories::TagRow& row, std::string_view repository_name) {
  v1::Tag tag;
  tag.set_name(StrCat(repository_name, "/tags/", row.name));
  tag.set_commit(NameByDigest(repository_name, "commits", row.commit));
  SetTimestamp(row.created_at, tag.mutable_create_time());
  return tag;
}

v1::Plan ToProto(const repositories::PlanRow& row, std::string_view repository_name) {
  v1::Plan plan;
  plan.set_name(NameByDigest(repository_name, "plans", row.digest));
  plan.set_toml(row.toml);
  plan.set_digest(row.digest);
  SetTimestamp(row.created_at, plan.mutable_create_time());
  plan.set_creator(row.creator);
  if (absl::StatusOr<Plan> parsed = row.Parse(); parsed.ok()) {
    for (std::string& warning : PlanWarnings(*parsed)) plan.add_warnings(std::move(warning));
  }
  return plan;
}

v1::Standardisation ToProto(const repositories::StandardisationRow& row,
                            std::string_view repository_name) {
  v1::Standardisation result;
  result.set_name(NameByDigest(repository_name, "standardisations", row.digest));
  result.set_digest(row.digest);
  result.mutable_mean()->Add(row.values.mean.begin(), row.values.mean.end());
  result.mutable_sd()->Add(row.values.sd.begin(), row.values.sd.end());
  result.set_examples(row.values.examples);
  result.set_contributors(row.values.contributors);
  SetTimestamp(row.created_at, result.mutable_create_time());
  result.set_signature(row.signature);
  return result;
}

v1::Upload ToProto(const repositories::UploadRow& row, std::string_view repository_name,
                   int64_t committed_bytes) {
  v1::Upload upload;
  upload.set_name(StrCat(repository_name, "/uploads/", row.id));
  upload.set_size_bytes(row.size_bytes);
  upload.set_digest(row.digest);
  upload.set_committed_bytes(row.complete ? row.size_bytes : committed_bytes);
  upload.set_complete(row.complete);
  SetTimestamp(row.expires_at, upload.mutable_expire_time());
  return upload;
}

}  // namespace federity::api
