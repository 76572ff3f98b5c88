#include "server/repositories/commits.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>

#include "common/base/strings.h"
#include "server/repositories/text.h"
#include "tests/integration/repositories/repository_fixture.h"

namespace federity::testing {
namespace {

std::string Hex(const v1::Commit& commit) { return repositories::HexOfDigest(commit.digest()); }

v1::ListCommitsResponse Log(const ApiFixture::Member& member, const std::string& repository,
                            int page_size = 0, const std::string& token = "") {
  v1::ListCommitsRequest request;
  request.set_parent(repository);
  request.set_page_size(page_size);
  request.set_page_token(token);
  v1::ListCommitsResponse response;
  auto stub = v1::CommitService::NewStub(member.channel);
  REQUIRE(Call(*stub, &v1::CommitService::Stub::ListCommits, request, &response) ==
          absl::OkStatus());
  return response;
}

absl::Status SetTag(const ApiFixture::Member& member, const std::string& repository,
                    const std::string& tag, const std::string& commit, bool force = false) {
  v1::SetTagRequest request;
  request.set_name(repository + "/tags/" + tag);
  request.set_commit(commit);
  request.set_force(force);
  request.set_request_id(NewRequestId());
  v1::Tag response;
  auto stub = v1::CommitService::NewStub(member.channel);
  return Call(*stub, &v1::CommitService::Stub::SetTag, request, &response);
}

absl::Status Revert(const ApiFixture::Member& member, const std::string& name, v1::Commit* commit) {
  v1::RevertCommitRequest request;
  request.set_name(name);
  request.set_request_id(NewRequestId());
  auto stub = v1::CommitService::NewStub(member.channel);
  return Call(*stub, &v1::CommitService::Stub::RevertCommit, request, commit);
}

}  // namespace

TEST_CASE_METHOD(RepositoryFixture, "Pushes make a history", "[commits]") {
  const std::string weights = Weights({1, 2, 3});
  const v1::Commit first = MustPush("", "the program", weights);
  CHECK(first.version() == 1);
  CHECK(first.parent().empty());
  CHECK(first.program_digest() == crypto::Sha256("the program").ToString());
  CHECK(first.program_bytes() == 11);
  CHECK(first.weights_digest() == crypto::Sha256(weights).ToString());
  CHECK(first.weights_bytes() == static_cast<int64_t>(weights.size()));
  CHECK(first.parameter_count() == 3);
  CHECK(first.message() == "a push");
  CHECK(first.creator() == owner_.name);
  CHECK(first.round().empty());
  CHECK(first.digest() == repositories::CommitDigest({.program_digest = first.program_digest(),
                                                      .weights_digest = first.weights_digest(),
                                                      .plan_digest = first.plan_digest(),
                                                      .message = "a push"})
                              .ToString());

  const v1::Commit second = MustPush(first.name(), "", Weights({4, 5, 6}));
  CHECK(second.version() == 2);
  CHECK(second.parent() == first.name());
  CHECK(second.program_digest() == first.program_digest());
  const v1::Commit third = MustPush(name_ + "/commits/head", "another program", Weights({7}));
  CHECK(third.version() == 3);

  const Member viewer = MakeMember(v1::ROLE_VIEWER);
  const v1::ListCommitsResponse page = Log(viewer, name_, 2);
  REQUIRE(page.commits_size() == 2);
  CHECK(page.commits(0).name() == third.name());
  CHECK(page.commits(1).name() == second.name());
  const v1::ListCommitsResponse rest = Log(viewer, name_, 2, page.next_page_token());
  REQUIRE(rest.commits_size() == 1);
  CHECK(rest.commits(0).name() == first.name());
  CHECK(rest.next_page_token().empty());

  std::string content;
  v1::DownloadCommitResponse start;
  REQUIRE(Download(viewer, "v1", v1::COMMIT_PART_WEIGHTS, 0, &content, &start).ok());
  CHECK(content == weights);
  CHECK(start.size_bytes() == first.weights_bytes());
  CHECK(start.digest() == first.weights_digest());
  content.clear();
  REQUIRE(Download(viewer, "head", v1::COMMIT_PART_PROGRAM, 8, &content).ok());
  CHECK(content == "program");
}

TEST_CASE_METHOD(RepositoryFixture, "Pushes that can't be are refused by name", "[commits]") {
  v1::Commit commit;
  CheckReason(Push("", "", Weights({1, 2}), &commit), v1::ERROR_REASON_INVALID_ARGUMENT);
  CheckReason(Push(name_ + "/commits/head", "p", Weights({1, 2}), &commit),
              v1::ERROR_REASON_HEAD_MOVED);
  const v1::Commit first = MustPush("", "program", Weights({1, 2}));

  CheckReason(Push(first.name(), "", Weights({1, 2}), &commit), v1::ERROR_REASON_NOTHING_CHANGED);
  CheckReason(Push(first.name(), "program", Weights({1, 2}), &commit),
              v1::ERROR_REASON_NOTHING_CHANGED);
  const absl::Status mismatch = Push(first.name(), "", Weights({1, 2, 3}), &commit);
  CheckReason(mismatch, v1::ERROR_REASON_TENSORS_MISMATCH);
  CHECK(MetadataOf(mismatch)["tensor"] == "w");
  CheckReason(Push(first.name(), "", Weights({1, 2}), &commit, std::string(2001, 'm')),
              v1::ERROR_REASON_INVALID_ARGUMENT);

  const v1::Commit second = MustPush(first.name(), "", Weights({3, 4}));
  const absl::Status moved = Push(first.name(), "", Weights({5, 6}), &commit);
  CheckReason(moved, v1::ERROR_REASON_HEAD_MOVED);
  CHECK(MetadataOf(moved)["head"] == second.digest());
  CheckReason(Push("", "p", Weights({5, 6}), &commit), v1::ERROR_REASON_HEAD_MOVED);
  CheckReason(Push("organizations/other/repositories/r/commits/head", "", Weights({5, 6}), &commit),
              v1::ERROR_REASON_INVALID_ARGUMENT);

  StartRound();
  CheckReason(Push(second.name(), "", Weights({5, 6}), &commit),
              v1::ERROR_REASON_ROUND_IN_PROGRESS);
  CheckReason(Revert(owner_, first.name(), &commit), v1::ERROR_REASON_ROUND_IN_PROGRESS);
  EndRound(5);
  CHECK(Push(second.name(), "", Weights({5, 6}), &commit).ok());
  CHECK(Log(owner_, name_).commits_size() == 3);
}

TEST_CASE_METHOD(RepositoryFixture, "A repeated push is answered, not repeated", "[commits]") {
  v1::CreateCommitRequest request;
  request.set_parent(name_);
  request.set_program_upload(Upload(owner_, "program"));
  request.set_weights_upload(Upload(owner_, Weights({1, 2})));
  request.set_request_id(NewRequestId());
  v1::Commit first, again;
  REQUIRE(Commit(owner_, request, &first) == absl::OkStatus());
  // The uploads are used up, the head has moved: still the same answer.
  REQUIRE(Commit(owner_, request, &again) == absl::OkStatus());
  CHECK(again.name() == first.name());
  CHECK(Log(owner_, name_).commits_size() == 1);
  request.set_request_id(NewRequestId());
  CHECK(!Commit(owner_, request, &again).ok());
}

TEST_CASE_METHOD(RepositoryFixture, "Hostile weights never become a commit", "[commits]") {
  v1::Commit commit;
  const auto refused = [&](const std::string& weights) {
    CheckReason(Push("", "program", weights, &commit), v1::ERROR_REASON_WEIGHTS_INVALID);
  };
  refused(Weights({1, std::numeric_limits<float>::quiet_NaN()}));
  refused(Weights({std::numeric_limits<float>::infinity(), 2}));
  std::string lies = Weights({1, 2, 3});
  refused(lies + "more");
  refused(lies.substr(0, lies.size() - 1));
  refused("tiny");
  const uint64_t two_gigabytes = uint64_t{2} << 30;
  std::memcpy(lies.data(), &two_gigabytes, 8);
  const absl::Status status = Push("", "program", lies, &commit);
  CHECK(!status.ok());
  CHECK(ReasonOf(status) != v1::ERROR_REASON_INTERNAL);
  CHECK(Log(owner_, name_).commits_size() == 0);
}

TEST_CASE_METHOD(RepositoryFixture, "Only complete uploads of one's own can be committed",
                 "[commits]") {
  const Member maintainer = MakeMember(v1::ROLE_MAINTAINER);
  v1::CreateCommitRequest request;
  request.set_parent(name_);
  request.set_program_upload(Upload(owner_, "program"));
  request.set_weights_upload(Upload(owner_, Weights({1, 2})));
  request.set_request_id(NewRequestId());
  v1::Commit commit;
  CheckReason(Commit(maintainer, request, &commit), v1::ERROR_REASON_NOT_FOUND);

  v1::Upload half;
  REQUIRE(CreateUpload(owner_, 10, crypto::Sha256("x").ToString(), &half).ok());
  request.set_weights_upload(half.name());
  request.set_request_id(NewRequestId());
  CheckReason(Commit(owner_, request, &commit), v1::ERROR_REASON_UPLOAD_INCOMPLETE);
  for (const char* name : {"", "nonsense", "organizations/st-mary/repositories/heart/uploads/x"}) {
    request.set_weights_upload(name);
    request.set_request_id(NewRequestId());
    CheckReason(Commit(owner_, request, &commit), v1::ERROR_REASON_NOT_FOUND);
  }
  const Member contributor = MakeMember(v1::ROLE_CONTRIBUTOR);
  request.set_request_id(NewRequestId());
  CheckReason(Commit(contributor, request, &commit), v1::ERROR_REASON_ROLE_REQUIRED);
}

TEST_CASE_METHOD(RepositoryFixture, "Commits are found by whatever people write", "[commits]") {
  v1::Commit commit;
  CheckReason(GetCommit(owner_, "head", &commit), v1::ERROR_REASON_NOT_FOUND);
  const v1::Commit first = MustPush("", "program", Weights({1, 2}));
  const v1::Commit second = MustPush(first.name(), "", Weights({3, 4}));
  REQUIRE(SetTag(owner_, name_, "good", "v1").ok());
  const auto finds = [&](const std::string& id, const v1::Commit& expected) {
    CAPTURE(id);
    CHECK(GetCommit(owner_, id, &commit) == absl::OkStatus());
    CHECK(commit.name() == expected.name());
  };
  finds(Hex(first), first);
  finds(Hex(first).substr(0, 6), first);
  finds(Hex(second).substr(0, 40), second);
  finds("v1", first);
  finds("v2", second);
  finds("good", first);
  finds("head", second);
  for (const std::string& id :
       {Hex(first).substr(0, 5), std::string("v3"), std::string("v0"), std::string("bad"),
        std::string("v99999999999999999999"), std::string(64, '0'), std::string("HEAD")}) {
    CAPTURE(id);
    CheckReason(GetCommit(owner_, id, &commit), v1::ERROR_REASON_NOT_FOUND);
  }
  // Two digests that begin alike.
  const std::string twin = "sha256:" + Hex(first).substr(0, 8) + std::string(56, '0');
  api_.Sql(
      "INSERT INTO commits (repository, digest, version, program_digest, program_bytes, "
      "weights_digest, weights_bytes, parameter_count, plan_digest, created_at) "
      "SELECT repository, $2, 77, program_digest, 1, weights_digest, 1, 1, plan_digest, now() "
      "FROM commits WHERE repository = $1 AND version = 1",
      store::Params().Text(id_).Text(twin));
  const absl::Status ambiguous = GetCommit(owner_, Hex(first).substr(0, 8), &commit);
  CheckReason(ambiguous, v1::ERROR_REASON_INVALID_ARGUMENT);
  CHECK(std::string(ambiguous.message()).find("v77") != std::string::npos);
  CHECK(std::string(ambiguous.message()).find("v1 ") != std::string::npos);
  finds(Hex(first), first);
  // A tag that looks like a prefix wins over it.
  REQUIRE(SetTag(owner_, name_, Hex(first).substr(0, 8), "v2").ok());
  finds(Hex(first).substr(0, 8), second);
}

TEST_CASE_METHOD(RepositoryFixture, "Tags keep their rules", "[commits]") {
  const v1::Commit first = MustPush("", "program", Weights({1, 2}));
  const v1::Commit second = MustPush(first.name(), "", Weights({3, 4}));
  for (const char* tag : {"head", "v1", "v123", "Big", "a_b", "-"}) {
    CAPTURE(tag);
    const absl::Status status = SetTag(owner_, name_, tag, "head");
    CHECK((status.ok() == (std::string(tag) == "-")));
  }
  REQUIRE(SetTag(owner_, name_, "v1.0", first.name()).ok());
  CHECK(SetTag(owner_, name_, "v1.0", "v1").ok());
  CheckReason(SetTag(owner_, name_, "v1.0", "head"), v1::ERROR_REASON_ALREADY_EXISTS);
  REQUIRE(SetTag(owner_, name_, "v1.0", "head", true).ok());
  CheckReason(SetTag(owner_, name_, "x", "nothing"), v1::ERROR_REASON_NOT_FOUND);
  CheckReason(SetTag(owner_, name_, "x", "organizations/a/repositories/b/commits/head"),
              v1::ERROR_REASON_INVALID_ARGUMENT);
  CheckReason(SetTag(MakeMember(v1::ROLE_VIEWER), name_, "x", "head"),
              v1::ERROR_REASON_ROLE_REQUIRED);
  REQUIRE(SetTag(owner_, name_, "best", "head").ok());

  v1::Commit commit;
  REQUIRE(GetCommit(owner_, "v2", &commit).ok());
  CHECK(std::vector<std::string>(commit.tags().begin(), commit.tags().end()) ==
        std::vector<std::string>{"-", "best", "v1.0"});

  auto stub = v1::CommitService::NewStub(owner_.channel);
  v1::ListTagsRequest list;
  list.set_parent(name_);
  list.set_page_size(2);
  v1::ListTagsResponse page;
  REQUIRE(Call(*stub, &v1::CommitService::Stub::ListTags, list, &page).ok());
  REQUIRE(page.tags_size() == 2);
  CHECK(page.tags(1).name() == name_ + "/tags/best");
  CHECK(page.tags(1).commit() == second.name());
  list.set_page_token(page.next_page_token());
  REQUIRE(Call(*stub, &v1::CommitService::Stub::ListTags, list, &page).ok());
  CHECK(page.tags_size() == 1);
  CHECK(page.next_page_token().empty());
  list.set_page_token("made up");
  CheckReason(Call(*stub, &v1::CommitService::Stub::ListTags, list, &page),
              v1::ERROR_REASON_PAGE_TOKEN_INVALID);

  v1::DeleteTagRequest remove;
  google::protobuf::Empty empty;
  remove.set_name(name_ + "/tags/best");
  remove.set_request_id(NewRequestId());
  REQUIRE(Call(*stub, &v1::CommitService::Stub::DeleteTag, remove, &empty).ok());
  remove.set_request_id(NewRequestId());
  CheckReason(Call(*stub, &v1::CommitService::Stub::DeleteTag, remove, &empty),
              v1::ERROR_REASON_NOT_FOUND);
}

TEST_CASE_METHOD(RepositoryFixture, "A revert is a new commit", "[commits]") {
  const v1::Commit first = MustPush("", "program", Weights({1, 2}));
  const v1::Commit second = MustPush(first.name(), "other program", Weights({3, 4, 5}));
  v1::Commit reverted;
  REQUIRE(Revert(owner_, name_ + "/commits/v1", &reverted) == absl::OkStatus());
  CHECK(reverted.version() == 3);
  CHECK(reverted.parent() == second.name());
  CHECK(reverted.program_digest() == first.program_digest());
  CHECK(reverted.weights_digest() == first.weights_digest());
  CHECK(reverted.parameter_count() == first.parameter_count());
  CHECK(reverted.digest() != first.digest());
  CHECK(reverted.message() == "Revert to v1");
  v1::Commit commit;
  CheckReason(Revert(owner_, name_ + "/commits/head", &commit), v1::ERROR_REASON_NOTHING_CHANGED);
  CheckReason(Revert(owner_, first.name(), &commit), v1::ERROR_REASON_NOTHING_CHANGED);
  CheckReason(Revert(owner_, name_ + "/commits/v9", &commit), v1::ERROR_REASON_NOT_FOUND);
  REQUIRE(Revert(owner_, second.name(), &commit).ok());
  CHECK(commit.version() == 4);
}

TEST_CASE_METHOD(RepositoryFixture, "A revert brings back the plan and the standardisation",
                 "[commits]") {
  api_.Sql("INSERT INTO standardisations (repository, digest, mean, sd, examples, contributors, "
           "signature, created_at) VALUES ($1, 'sha256:old', '{1}', '{2}', 60, 3, '', now())",
           store::Params().Text(id_));
  const auto in_force = [&](const std::string& column) {
    return api_.Sql(StrCat("SELECT coalesce(", column, ", '') FROM repositories WHERE id = $1"),
                    store::Params().Text(id_))[0]
        .Text(0);
  };
  const auto put = [&](const std::string& standardisation) {
    api_.Sql("UPDATE repositories SET standardisation_digest = nullif($2, '') WHERE id = $1",
             store::Params().Text(id_).Text(standardisation));
  };
  put("sha256:old");
  const v1::Commit first = MustPush("", "program", Weights({1, 2}));
  const std::string first_plan = in_force("plan_digest");
  REQUIRE(first.standardisation_digest() == "sha256:old");

  v1::SetPlanRequest change;
  change.set_parent(name_);
  change.set_toml("[data]\nfeatures = [\"b\", \"a\"]\nclasses = [\"no\", \"yes\"]\n");
  change.set_request_id(NewRequestId());
  v1::Plan changed;
  auto plans = v1::PlanService::NewStub(owner_.channel);
  REQUIRE(Call(*plans, &v1::PlanService::Stub::SetPlan, change, &changed) == absl::OkStatus());
  put("");
  MustPush(first.name(), "", Weights({3, 4}));

  v1::Commit reverted;
  REQUIRE(Revert(owner_, first.name(), &reverted) == absl::OkStatus());
  CHECK(reverted.plan_digest() == first_plan);
  CHECK(reverted.standardisation_digest() == "sha256:old");
  CHECK(in_force("plan_digest") == first_plan);
  CHECK(in_force("standardisation_digest") == "sha256:old");
}

TEST_CASE_METHOD(RepositoryFixture, "Metrics show once they are closed, examples as buckets",
                 "[commits]") {
  const v1::Commit commit = MustPush("", "program", Weights({1, 2}));
  api_.Sql("UPDATE commits SET examples = 455 WHERE repository = $1", store::Params().Text(id_));
  const Member viewer = MakeMember(v1::ROLE_VIEWER);
  for (int i = 0; i < 5; ++i) {
    CHECK(!Log(owner_, name_).commits(0).has_metrics());
    const Member member = MakeMember(v1::ROLE_CONTRIBUTOR);
    api_.Sql(
        "INSERT INTO evaluations (repository, commit, member, examples, loss_sum, confusion, "
        "created_at) VALUES ($1, $2, $3, $4, 0.5, ARRAY[1, 2, 3, 10]::bigint[], now())",
        store::Params().Text(id_).Text(commit.digest()).Text(member.id).Int(10 + i));
  }
  CHECK(!Log(owner_, name_).commits(0).has_metrics());
  api_.Sql("UPDATE commits SET measured_at = now() WHERE repository = $1", store::Params().Text(id_));
  v1::Commit shown;
  REQUIRE(GetCommit(viewer, "head", &shown) == absl::OkStatus());
  REQUIRE(shown.has_metrics());
  CHECK(shown.metrics().examples() == 60);
  CHECK(shown.metrics().loss_sum() == 2.5);
  CHECK(shown.metrics().contributors() == 5);
  CHECK(std::vector<int64_t>(shown.metrics().confusion().begin(),
                             shown.metrics().confusion().end()) ==
        std::vector<int64_t>{5, 10, 15, 50});
  CHECK(shown.examples() == 100);
  CHECK(Log(owner_, name_).commits(0).examples() == 455);
}

TEST_CASE_METHOD(RepositoryFixture, "A round's commit does not tell who was first", "[commits]") {
  const v1::Commit base = MustPush("", "program", Weights({1, 2}));
  repositories::NewCommit merged;
  merged.repository = id_;
  merged.parent = base.digest();
  merged.program_digest = base.program_digest();
  merged.program_bytes = base.program_bytes();
  merged.weights_digest = crypto::Sha256("merged").ToString();
  merged.weights_bytes = 6;
  merged.parameter_count = 2;
  merged.plan_digest = base.plan_digest();
  merged.round = 1;
  std::vector<std::string> digests;
  for (int i = 0; i < 2; ++i) {
    merged.now = api_.clock().Now() + absl::Hours(i);
    merged.contribution_count = 3 + i;
    merged.examples = 100 + i;
    // Rolled back, so that it can be made twice.
    const absl::Status status =
        api_.database().RunInTransaction([&](store::Transaction& transaction) -> absl::Status {
          auto commit = repositories::InsertCommit(transaction, merged);
          if (!commit.ok()) return commit.status();
          CHECK(commit->round == 1);
          CHECK(commit->creator.empty());
          CHECK(commit->version == 2);
          digests.push_back(commit->digest);
          return absl::CancelledError();
        });
    CHECK(absl::IsCancelled(status));
  }
  REQUIRE(digests.size() == 2);
  CHECK(digests[0] == digests[1]);
  // A parent that is no longer the head.
  MustPush(base.name(), "", Weights({3, 4}));
  CheckReason(api_.database().RunInTransaction([&](store::Transaction& transaction) {
    return repositories::InsertCommit(transaction, merged).status();
  }),
              v1::ERROR_REASON_HEAD_MOVED);
}

TEST_CASE_METHOD(RepositoryFixture, "Downloads begin anywhere and end with the membership",
                 "[commits]") {
  std::vector<float> values(700'000);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
  const std::string weights = Weights(values);
  MustPush("", "program", weights);
  const Member viewer = MakeMember(v1::ROLE_VIEWER);
  for (int64_t offset : {int64_t{0}, int64_t{1}, int64_t{1} << 20, (int64_t{2} << 20) + 5,
                         static_cast<int64_t>(weights.size())}) {
    CAPTURE(offset);
    std::string content;
    v1::DownloadCommitResponse first;
    REQUIRE(Download(viewer, "head", v1::COMMIT_PART_WEIGHTS, offset, &content, &first).ok());
    CHECK(content == weights.substr(offset));
    CHECK(first.size_bytes() == static_cast<int64_t>(weights.size()));
  }
  std::string content;
  const auto download = [&](const Member& member, int64_t offset, v1::CommitPart part) {
    return Download(member, "head", part, offset, &content);
  };
  CheckReason(download(viewer, -1, v1::COMMIT_PART_WEIGHTS), v1::ERROR_REASON_INVALID_ARGUMENT);
  CheckReason(download(viewer, 1 << 30, v1::COMMIT_PART_WEIGHTS),
              v1::ERROR_REASON_INVALID_ARGUMENT);
  CheckReason(download(viewer, 0, v1::COMMIT_PART_UNSPECIFIED), v1::ERROR_REASON_INVALID_ARGUMENT);
  CheckReason(download(MakeMember(v1::ROLE_AUDITOR), 0, v1::COMMIT_PART_WEIGHTS),
              v1::ERROR_REASON_ROLE_REQUIRED);
  CheckReason(download(api_.MakeOwner("other"), 0, v1::COMMIT_PART_WEIGHTS),
              v1::ERROR_REASON_NOT_FOUND);
  CHECK(api_.Sql("SELECT 1 FROM audit_events WHERE action = 'DownloadCommit' AND actor = $1",
                 store::Params().Text(viewer.name))
            .size() >= 5);
  api_.Sql("UPDATE members SET removed_at = now() WHERE id = $1", store::Params().Text(viewer.id));
  CHECK(!download(viewer, 0, v1::COMMIT_PART_WEIGHTS).ok());
}

TEST_CASE_METHOD(RepositoryFixture, "Removal ends a download under way", "[commits]") {
  const std::string weights = Weights(std::vector<float>(6 << 20, 1.5f));
  MustPush("", "program", weights);
  const Member viewer = MakeMember(v1::ROLE_VIEWER);
  auto stub = v1::CommitService::NewStub(viewer.channel);
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(60)));
  v1::DownloadCommitRequest request;
  request.set_name(name_ + "/commits/head");
  request.set_part(v1::COMMIT_PART_WEIGHTS);
  auto stream = stub->DownloadCommit(&context, request);
  v1::DownloadCommitResponse message;
  REQUIRE(stream->Read(&message));
  RemoveAtOnce(viewer);
  // What was on its way comes; there is much more than that.
  size_t received = message.data().size();
  while (stream->Read(&message)) received += message.data().size();
  CheckReason(rpc::FromGrpc(stream->Finish()), v1::ERROR_REASON_MEMBER_REMOVED);
  CHECK(received < weights.size());
}

TEST_CASE_METHOD(RepositoryFixture, "A damaged blob is told, not served", "[commits]") {
  std::vector<float> values(400'000, 1.5f);
  const v1::Commit commit = MustPush("", "program", Weights(values));
  const auto path =
      folder_ / "blobs" / id_ / "sealed" / repositories::HexOfDigest(commit.weights_digest());
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(1'200'000);
  file.put('\x55');
  file.close();
  std::string content;
  const absl::Status status = Download(owner_, "head", v1::COMMIT_PART_WEIGHTS, 0, &content);
  CheckReason(status, v1::ERROR_REASON_BLOB_CORRUPT);
  CHECK(content.size() == 1 << 20);
}

}  // namespace federity::testing
