#ifndef FEDERITY_TESTS_INTEGRATION_ROUNDS_ROUND_FIXTURE_H_
#define FEDERITY_TESTS_INTEGRATION_ROUNDS_ROUND_FIXTURE_H_

#include <cstring>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "common/contribution/contribution_statement.h"
#include "common/crypto/ed25519.h"
#include "common/crypto/secret.h"
#include "common/plan/plan.h"
#include "common/plan/standardisation.h"
#include "common/tensor/plain_delta.h"
#include "common/tensor/safetensors.h"
#include "federity/v1/statistics.pb.h"
#include "server/blobs/blob_store.h"
#include "server/repositories/commits.h"
#include "server/repositories/repositories.h"
#include "server/repositories/uploads.h"
#include "server/rounds/agents.h"
#include "server/rounds/contributions.h"
#include "server/rounds/round_machine.h"
#include "server/rounds/round_start.h"
#include "server/rounds/round_view.h"
#include "tests/testing/api_fixture.h"
#include "tests/testing/temp_postgres.h"

namespace federity::testing {

inline void Require(const absl::Status& status) {
  if (!status.ok()) throw std::runtime_error(status.ToString());
}
template <typename T>
T Require(absl::StatusOr<T> value) {
  Require(value.status());
  return *std::move(value);
}

template <typename T>
std::string BytesOf(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

// The model of these tests: a parameter, a floating buffer, an integer one.
inline tensor::TensorSpec ModelSpec() {
  return *tensor::MakeTensorSpec(tensor::kWeightsEncoding,
                                 {{"w", tensor::DType::kF32, {3}, tensor::TensorKind::kParameter},
                                  {"mean", tensor::DType::kF32, {1}, tensor::TensorKind::kBuffer},
                                  {"seen", tensor::DType::kI64, {}, tensor::TensorKind::kBuffer}});
}
inline std::string ModelBytes(const std::vector<float>& w, float mean, int64_t seen) {
  return tensor::EncodeHeader(ModelSpec()) + BytesOf(w) + BytesOf<float>({mean}) +
         BytesOf<int64_t>({seen});
}
// In units of 2^-24 and 2^-16.
inline std::string DeltaBytes(const std::vector<int32_t>& w, int32_t mean, int64_t seen) {
  return tensor::EncodeHeader(*tensor::PlainDeltaSpec(ModelSpec())) + BytesOf(w) +
         BytesOf<int32_t>({mean}) + BytesOf<int64_t>({seen});
}
constexpr int32_t kOne = 1 << 24;

struct Agent {
  std::string organization;
  std::string id;
  crypto::SigningKey key;
  rounds::Session session;
};

// A repository with a model, agents that are played by hand, and a machine that
// is stepped by hand under a clock that stands. Failures throw.
class RoundFixture {
 public:
  // Over its own database, or beside the API of `api`, which must outlive it.
  explicit RoundFixture(Plan plan = DefaultPlan(), int agents = 3, ApiFixture* api = nullptr)
      : plan_(std::move(plan)), api_(api) {
    if (api_ == nullptr) {
      postgres_.emplace();
    } else {
      key_file_ = api_->key_file().Clone();
    }
    char folder[] = "/tmp/federity-rounds-XXXXXX";
    if (mkdtemp(folder) == nullptr) throw std::runtime_error("mkdtemp");
    folder_ = folder;
    blobs_ = Require(blobs::BlobStore::Open(folder_ / "blobs"));
    Sql("INSERT INTO organizations (id, display_name, has_namespace, created_at) "
        "VALUES ('st-mary', 'St Mary', true, $1)",
        store::Params().Time(now()));
    Run([&](store::Transaction& transaction) -> absl::Status {
      FEDERITY_ASSIGN_OR_RETURN(repository_,
                                repositories::CreateRepository(transaction,
                                                               {.organization = "st-mary",
                                                                .name = "heart",
                                                                .description = {},
                                                                .plan = plan_,
                                                                .creator = std::nullopt,
                                                                .now = now()},
                                                               key_file_));
      return absl::OkStatus();
    });
    owner_ = InsertMember("st-mary", v1::ROLE_OWNER, v1::MEMBER_KIND_PERSON).id;
    base_ = Push(ModelBytes({1.0f, 2.0f, 3.0f}, 0.5f, 4));
    for (int i = 0; i < agents; ++i) AddAgent(StrCat("hospital-", i));
    NewMachine();
  }
  ~RoundFixture() {
    machine_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  static Plan DefaultPlan() {
    Plan plan;
    plan.data.features = {"age", "creatinine"};
    plan.data.classes = {"no", "yes"};
    plan.round.min_contributions = 3;
    plan.round.deadline = absl::Minutes(10);
    plan.round.recruit_deadline = absl::Hours(1);
    plan.aggregation.max_examples = 1000;
    return plan;
  }

  store::Database& database() { return api_ == nullptr ? postgres_->database() : api_->database(); }
  TestClock& clock() { return api_ == nullptr ? clock_ : api_->clock(); }
  absl::Time now() const { return api_ == nullptr ? clock_.Now() : api_->clock().Now(); }
  const std::string& repository() const { return repository_; }
  std::string repository_name() const { return "organizations/st-mary/repositories/heart"; }
  const std::string& base() const { return base_; }
  const Plan& plan() const { return plan_; }
  std::vector<Agent>& agents() { return agents_; }
  rounds::RoundMachine& machine() { return *machine_; }
  blobs::BlobStore& blobs() { return *blobs_; }
  const crypto::Secret& key_file() const { return key_file_; }
  // Of its own database.
  const std::string& url() const { return postgres_->url(); }
  const std::filesystem::path& folder() const { return folder_; }

  rounds::RoundDependencies Dependencies() {
    return {.database = database(),
            .blobs = *blobs_,
            .key_file = key_file_,
            .clock = clock(),
            .sign = [](std::string_view label, std::string_view message) {
              return StrCat(label, "|", message);
            }};
  }
  // As after a restart of the coordinator.
  void NewMachine(const rounds::RoundOptions& options = {}) {
    machine_ = std::make_unique<rounds::RoundMachine>(Dependencies(), options);
  }
  void Step() { Require(machine_->RunUntilIdle()); }

  void Run(const std::function<absl::Status(store::Transaction&)>& fn) { Require(Try(fn)); }
  absl::Status Try(const std::function<absl::Status(store::Transaction&)>& fn) {
    return database().RunInTransaction(fn);
  }
  store::Rows Sql(std::string_view sql, const store::Params& params = {}) {
    store::Rows rows;
    Run([&](store::Transaction& transaction) -> absl::Status {
      FEDERITY_ASSIGN_OR_RETURN(rows, transaction.Execute(sql, params));
      return absl::OkStatus();
    });
    return rows;
  }

  Agent InsertMember(const std::string& organization, v1::Role role, v1::MemberKind kind) {
    Agent member{organization, crypto::RandomUuid(), crypto::SigningKey::Generate(), {}};
    Sql("INSERT INTO organizations (id, display_name, created_at) VALUES ($1, $2, $3) "
        "ON CONFLICT DO NOTHING",
        store::Params().Text(organization).Text(StrCat("The ", organization)).Time(now()));
    Sql("INSERT INTO members (id, scope_organization, scope_repository, organization, role, kind, "
        "contribution_key, created_at) VALUES ($1, 'st-mary', $2, $3, $4, $5, $6, $7)",
        store::Params()
            .Text(member.id)
            .Text(repository_)
            .Text(organization)
            .Int(role)
            .Int(kind)
            .Bytes(member.key.public_key())
            .Time(now()));
    return member;
  }

  // A member, connected and approved.
  Agent& AddAgent(const std::string& organization) {
    agents_.push_back(InsertMember(organization, v1::ROLE_CONTRIBUTOR, v1::MEMBER_KIND_AGENT));
    Connect(agents_.back());
    return agents_.back();
  }
  void Connect(Agent& agent, const std::optional<v1::WatchAssignmentsRequest>& greeting = {}) {
    agent.session = {agent.id, crypto::RandomUuid()};
    const v1::WatchAssignmentsRequest request = greeting.value_or(Greeting());
    Require(rounds::CheckGreeting(request));
    Run([&](store::Transaction& transaction) {
      return rounds::OpenSession(transaction, repository_, agent.session, request, now(),
                                 now() + absl::Hours(24));
    });
  }
  void Disconnect(const Agent& agent) {
    Run([&](store::Transaction& transaction) {
      return rounds::CloseSession(transaction, repository_, agent.session, now());
    });
  }
  v1::WatchAssignmentsRequest Greeting() const {
    v1::WatchAssignmentsRequest request;
    request.set_approved_plan_digest(PlanDigest(plan_).ToString());
    request.set_approved_program_digest(program_.ToString());
    return request;
  }

  crypto::Secret BlobKey() {
    crypto::Secret key;
    Run([&](store::Transaction& transaction) -> absl::Status {
      FEDERITY_ASSIGN_OR_RETURN(key, repositories::BlobKey(transaction, repository_, key_file_));
      return absl::OkStatus();
    });
    return key;
  }
  crypto::Digest Store(std::string_view bytes) {
    auto writer = Require(blobs_->OpenWriter(repository_, crypto::RandomUuid(), BlobKey()));
    Require(writer->Write(bytes));
    return Require(writer->Seal(nullptr));
  }
  std::string Load(const std::string& digest) {
    auto reader =
        Require(blobs_->OpenReader(repository_, Require(crypto::ParseDigest(digest)), BlobKey()));
    std::string bytes(static_cast<size_t>(reader->size_bytes()), '\0');
    Require(reader->Read(0, std::span<char>(bytes)));
    return bytes;
  }
  // A commit on the head; its digest.
  std::string Push(const std::string& weights) {
    program_ = Store("the program");
    const crypto::Digest digest = Store(weights);
    std::string commit;
    Run([&](store::Transaction& transaction) -> absl::Status {
      FEDERITY_ASSIGN_OR_RETURN(const repositories::RepositoryRow row,
                                repositories::GetRepository(transaction, repository_));
      repositories::NewCommit made;
      made.repository = repository_;
      made.parent = row.head;
      made.program_digest = program_.ToString();
      made.program_bytes = 11;
      made.weights_digest = digest.ToString();
      made.weights_bytes = static_cast<int64_t>(weights.size());
      made.parameter_count = 5;
      made.plan_digest = row.plan_digest;
      made.now = now();
      FEDERITY_ASSIGN_OR_RETURN(const repositories::CommitRow inserted,
                                repositories::InsertCommit(transaction, made));
      commit = inserted.digest;
      return absl::OkStatus();
    });
    return commit;
  }
  repositories::CommitRow Head() {
    repositories::CommitRow head;
    Run([&](store::Transaction& transaction) -> absl::Status {
      FEDERITY_ASSIGN_OR_RETURN(head,
                                repositories::ResolveCommit(transaction, repository_, "head"));
      return absl::OkStatus();
    });
    return head;
  }

  absl::StatusOr<rounds::RoundRow> TryStart(int64_t count = 1) {
    std::optional<rounds::RoundRow> round;
    FEDERITY_RETURN_IF_ERROR(Try([&](store::Transaction& transaction) -> absl::Status {
      FEDERITY_ASSIGN_OR_RETURN(
          round, rounds::StartSeries(transaction, repository_, count, owner_, now()));
      return absl::OkStatus();
    }));
    return *std::move(round);
  }
  // Starts a round and steps; the cohort trains if everybody is ready.
  void Start(int64_t count = 1) {
    Require(TryStart(count).status());
    Step();
  }
  rounds::RoundRow Round(int64_t number = 1) {
    std::optional<rounds::RoundRow> round;
    Run([&](store::Transaction& transaction) -> absl::Status {
      FEDERITY_ASSIGN_OR_RETURN(
          round, rounds::FindRound(transaction, repository_, number, rounds::Lock::kNone));
      return absl::OkStatus();
    });
    if (!round.has_value()) throw std::runtime_error(StrCat("no round ", number));
    return *std::move(round);
  }
  v1::Round View(int64_t number, const rounds::Viewer& viewer) {
    v1::Round view;
    Run([&](store::Transaction& transaction) -> absl::Status {
      FEDERITY_ASSIGN_OR_RETURN(view, rounds::ViewRound(transaction, Round(number), viewer, now()));
      return absl::OkStatus();
    });
    return view;
  }
  rounds::ContributionRow Contribution(const Agent& agent, int64_t round = 1) {
    std::vector<rounds::ContributionRow> rows;
    Run([&](store::Transaction& transaction) -> absl::Status {
      FEDERITY_ASSIGN_OR_RETURN(rows, rounds::ListContributions(transaction, repository_, round));
      return absl::OkStatus();
    });
    for (rounds::ContributionRow& row : rows) {
      if (row.member == agent.id) return std::move(row);
    }
    throw std::runtime_error("no contribution");
  }

  rounds::ContributionRef Ref(const Agent& agent, int64_t round = 1) {
    return {.repository = repository_,
            .repository_name = repository_name(),
            .round = round,
            .id = Contribution(agent, round).id,
            .member = agent.id,
            .contribution_key = agent.key.public_key()};
  }
  v1::ReportProgressResponse Report(const Agent& agent, v1::ContributionPhase phase,
                                    double fraction, int64_t round = 1) {
    const rounds::ContributionRef ref = Ref(agent, round);
    v1::ReportProgressResponse response;
    Run([&](store::Transaction& transaction) -> absl::Status {
      FEDERITY_ASSIGN_OR_RETURN(response,
                                rounds::ReportProgress(transaction, ref, phase, fraction, now()));
      return absl::OkStatus();
    });
    return response;
  }

  // A statistics answer over rows of two features.
  static v1::SubmitStatisticsRequest Sums(const std::vector<double>& rows) {
    v1::SubmitStatisticsRequest request;
    const std::vector<FixedFeatureSums> all = Require(ComputeFeatureSums(rows, 2));
    for (const FixedFeatureSums& sums : all) {
      v1::FeatureSums* feature = request.add_features();
      feature->set_sum(sums.sum);
      feature->set_sum_of_squares(sums.sum_of_squares);
      feature->set_count(sums.count);
    }
    return request;
  }

  // A complete upload with these bytes; its resource name.
  std::string Upload(const Agent& agent, const std::string& bytes) {
    repositories::UploadRow upload;
    Run([&](store::Transaction& transaction) -> absl::Status {
      FEDERITY_ASSIGN_OR_RETURN(
          upload, repositories::CreateUpload(transaction,
                                             {.repository = repository_,
                                              .member = agent.id,
                                              .size_bytes = static_cast<int64_t>(bytes.size()),
                                              .digest = crypto::Sha256(bytes).ToString(),
                                              .now = now()},
                                             {}));
      return absl::OkStatus();
    });
    auto writer = Require(blobs_->OpenWriter(repository_, upload.id, BlobKey()));
    Require(writer->Write(bytes));
    Require(repositories::SealUpload(database(), *writer, upload, now()));
    return StrCat(repository_name(), "/uploads/", upload.id);
  }
  // What an agent sends, signed; to be changed by the test.
  v1::SubmitContributionRequest Submission(const Agent& agent, const std::string& delta,
                                           int64_t examples, int64_t round = 1) {
    const rounds::RoundRow row = Round(round);
    v1::SubmitContributionRequest request;
    request.set_name(StrCat(row.name(), "/contributions/", Contribution(agent, round).id));
    request.set_upload(Upload(agent, delta));
    request.set_examples(examples);
    request.mutable_base_metrics()->set_examples(10);
    request.mutable_base_metrics()->set_loss_sum(5);
    for (const int64_t count : {4, 1, 2, 3}) request.mutable_base_metrics()->add_confusion(count);
    request.set_device("cpu");
    Sign(agent, crypto::Sha256(delta), row, request);
    return request;
  }
  static void Sign(const Agent& agent, const crypto::Digest& delta, const rounds::RoundRow& round,
                   v1::SubmitContributionRequest& request) {
    request.set_signature(agent.key.Sign(
        contribution::kContributionLabel,
        contribution::BuildContributionStatement(
            request.name(), Require(crypto::ParseDigest(round.base_commit)),
            Require(crypto::ParseDigest(round.plan_digest)), delta, request.examples())));
  }
  absl::StatusOr<rounds::ContributionRow> Submit(const Agent& agent,
                                                 const v1::SubmitContributionRequest& request,
                                                 int64_t round = 1) {
    const rounds::ContributionRef ref = Ref(agent, round);
    std::optional<rounds::ContributionRow> row;
    FEDERITY_RETURN_IF_ERROR(Try([&](store::Transaction& transaction) -> absl::Status {
      FEDERITY_ASSIGN_OR_RETURN(row, rounds::SubmitContribution(transaction, ref, request, now()));
      return absl::OkStatus();
    }));
    return *std::move(row);
  }
  // A good contribution.
  void Contribute(const Agent& agent, const std::vector<int32_t>& w, int64_t examples = 10,
                  int64_t round = 1) {
    const v1::SubmitContributionRequest request =
        Submission(agent, DeltaBytes(w, 0, 5), examples, round);
    Require(Submit(agent, request, round).status());
  }
  void ContributeAll(int64_t round = 1) {
    for (const Agent& agent : agents_) Contribute(agent, {kOne, 0, 0}, 10, round);
  }

 private:
  Plan plan_;
  ApiFixture* const api_;
  std::optional<TempPostgres> postgres_;
  TestClock clock_;
  crypto::Secret key_file_ = crypto::RandomSecret(32);
  std::filesystem::path folder_;
  std::unique_ptr<blobs::BlobStore> blobs_;
  std::string repository_;
  std::string owner_;
  std::string base_;
  crypto::Digest program_;
  std::vector<Agent> agents_;
  std::unique_ptr<rounds::RoundMachine> machine_;
};

}  // namespace federity::testing

#endif  // FEDERITY_TESTS_INTEGRATION_ROUNDS_ROUND_FIXTURE_H_
