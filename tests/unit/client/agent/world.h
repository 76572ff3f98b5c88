#ifndef FEDERITY_TESTS_UNIT_CLIENT_AGENT_WORLD_H_
#define FEDERITY_TESTS_UNIT_CLIENT_AGENT_WORLD_H_

#include <catch2/catch.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "client/agent/agent.h"
#include "client/agent/commands.h"
#include "client/agent/context.h"
#include "client/trainer/failure.h"
#include "common/base/files.h"
#include "common/base/strings.h"
#include "common/crypto/ed25519.h"
#include "tests/unit/client/fake_coordinator.h"
#include "tests/unit/client/temp_dir.h"

namespace federity::agent {

inline constexpr char kId[] = "11111111-1111-4111-8111-111111111111";
inline constexpr char kRepository[] = "organizations/st-mary/repositories/heart";
inline constexpr char kCommit[] = "organizations/st-mary/repositories/heart/commits/abc123";

class FakeClock final : public Clock {
 public:
  absl::Time Now() const override {
    absl::MutexLock lock(&mutex_);
    return now_;
  }
  void Set(absl::Time now) {
    absl::MutexLock lock(&mutex_);
    now_ = now;
  }

 private:
  mutable absl::Mutex mutex_;
  absl::Time now_ = absl::FromCivil(absl::CivilMinute(2026, 11, 24, 12, 0), absl::UTCTimeZone());
};

// One membership, connected to a fake coordinator.
class FakeIdentities final : public identity::IdentityStore {
 public:
  explicit FakeIdentities(testing::FakeCoordinator& coordinator) : coordinator_(coordinator) {
    identity::Identity identity;
    identity.id = kId;
    identity.member = std::string(kRepository) + "/members/m1";
    identity.address = "host:8443";
    identity.addresses = {identity.address};
    identity.scope = kRepository;
    identity.organization = "st-luke";
    identity.organization_display_name = "St Luke";
    identity.kind = v1::MEMBER_KIND_AGENT;
    identity.coordinator_key = coordinator_key.public_key();
    identity.renew_time = absl::InfiniteFuture();
    identity.expire_time = absl::FromUnixSeconds(1'900'000'000);
    identities_.push_back(identity);
  }
  absl::StatusOr<identity::Identity> Join(const rpc::JoinLink&, v1::MemberKind,
                                          std::string_view) override {
    return absl::UnimplementedError("the fake joins nothing");
  }
  absl::StatusOr<std::vector<identity::Identity>> List() override {
    absl::MutexLock lock(&mutex_);
    return identities_;
  }
  absl::StatusOr<identity::Identity> Get(std::string_view id) override {
    absl::MutexLock lock(&mutex_);
    for (const auto& identity : identities_)
      if (identity.id == id) return identity;
    return absl::NotFoundError("no such membership");
  }
  absl::StatusOr<std::shared_ptr<grpc::Channel>> Connect(std::string_view) override {
    return coordinator_.channel();
  }
  absl::StatusOr<identity::Identity> ForRepository(std::string_view name) override {
    return ForScope(name);
  }
  absl::StatusOr<identity::Identity> ForScope(std::string_view scope) override {
    absl::MutexLock lock(&mutex_);
    for (const auto& identity : identities_)
      if (identity.scope == scope) return identity;
    return absl::NotFoundError("no such membership");
  }
  absl::StatusOr<crypto::SigningKey> ContributionKey(std::string_view) override {
    return crypto::SigningKey::FromSeed(key.seed());
  }
  absl::Status Remove(std::string_view id) override {
    absl::MutexLock lock(&mutex_);
    std::erase_if(identities_, [&](const auto& identity) { return identity.id == id; });
    return absl::OkStatus();
  }

  const crypto::SigningKey key = crypto::SigningKey::Generate();
  const crypto::SigningKey coordinator_key = crypto::SigningKey::Generate();

 private:
  testing::FakeCoordinator& coordinator_;
  absl::Mutex mutex_;
  std::vector<identity::Identity> identities_ ABSL_GUARDED_BY(mutex_);
};

// trainer::RunJob without a child: writes a delta, or fails as scripted.
class FakeTrainer {
 public:
  absl::StatusOr<worker::v1::Result> Run(const worker::v1::Request& request,
                                         const trainer::JobOptions& options) {
    {
      absl::MutexLock lock(&mutex_);
      requests_.push_back(request);
    }
    worker::v1::Started started;
    started.set_device("cpu");
    if (options.on_started) options.on_started(started);
    while (held()) {
      if (options.cancelled && options.cancelled()) return absl::CancelledError("killed");
      absl::SleepFor(absl::Milliseconds(1));  // as the supervisor polls
    }
    absl::MutexLock lock(&mutex_);
    if (!error_.ok()) return error_;
    if (request.has_train()) {
      const absl::Status written = WriteFileAtomically(request.train().delta_path(), delta_);
      if (!written.ok()) return written;
    }
    if (during_) during_();
    return result_;
  }
  void Hold(bool held) {
    absl::MutexLock lock(&mutex_);
    held_ = held;
  }
  void Fail(absl::Status error) {
    absl::MutexLock lock(&mutex_);
    error_ = std::move(error);
  }
  void During(std::function<void()> action) {
    absl::MutexLock lock(&mutex_);
    during_ = std::move(action);
  }
  worker::v1::Result& result() { return result_; }
  std::vector<worker::v1::Request> requests() {
    absl::MutexLock lock(&mutex_);
    return requests_;
  }
  bool AwaitRequests(size_t count) {
    absl::MutexLock lock(&mutex_);
    const auto enough = [&] { return requests_.size() >= count; };
    return mutex_.AwaitWithTimeout(absl::Condition(&enough), absl::Seconds(20));
  }
  const std::string& delta() const { return delta_; }

 private:
  bool held() {
    absl::MutexLock lock(&mutex_);
    return held_;
  }
  absl::Mutex mutex_;
  bool held_ = false;
  absl::Status error_;
  std::function<void()> during_;
  std::vector<worker::v1::Request> requests_;
  worker::v1::Result result_;
  std::string delta_ = testing::Pattern(2'500'000);
};

// An agent's machine with one membership, one data set and an approval; Start()
// and Stop() are the daemon, and a new process each time.
struct World {
  testing::TempDir dir;
  testing::FakeCoordinator coordinator;
  FakeIdentities identities{coordinator};
  FakeTrainer trainer;
  FakeClock clock;
  Plan plan;
  std::string program = "program bytes";
  std::string weights = testing::Pattern(100'000);
  std::filesystem::path data = dir.Write("patients.csv", "age,outcome\n1,yes\n");

  std::unique_ptr<state::AgentState> state;
  std::unique_ptr<state::Outbox> outbox;
  std::unique_ptr<state::Journal> journal;
  std::optional<Context> context;
  std::unique_ptr<Agent> agent;

  World() {
    plan.data.features = {"age"};
    plan.data.label = "outcome";
    plan.data.classes = {"no", "yes"};
    SetPlan();
    coordinator.Locked([&](auto& script, auto&) {
      script.parts[{kCommit, v1::COMMIT_PART_PROGRAM}] = program;
      script.parts[{kCommit, v1::COMMIT_PART_WEIGHTS}] = weights;
      script.program_digest = ProgramDigest();
    });
    trainer.result().set_examples(80);
    trainer.result().mutable_base_metrics()->set_examples(20);
    trainer.result().mutable_base_metrics()->set_loss_sum(14.5);
    trainer.result().set_train_seconds(1.5);
    trainer.result().set_rows(100);
    Open();
  }
  ~World() { Stop(); }

  void SetPlan() {
    coordinator.Locked([&](auto& script, auto&) { script.plan_toml = FormatPlan(plan); });
  }
  std::string ProgramDigest() const { return crypto::Sha256(program).ToString(); }

  // The files as another process would read them.
  void Open() {
    agent.reset();
    state = *state::AgentState::Open(dir / "state.json");
    outbox = *state::Outbox::Open(dir / "outbox");
    journal = std::make_unique<state::Journal>(dir / "journal.log", clock);
    context.emplace(
        Context{.paths = {dir.path()},
                .config = {},
                .identities = identities,
                .state = *state,
                .outbox = *outbox,
                .journal = *journal,
                .run_job = [this](const auto& request,
                                  const auto& options) { return trainer.Run(request, options); },
                .clock = clock,
                .zone = absl::UTCTimeZone(),
                .first_pause = absl::Milliseconds(5)});
  }
  void Start() {
    Open();
    agent = std::make_unique<Agent>(*context);
  }
  void Stop() { agent.reset(); }

  absl::StatusOr<nlohmann::json> Command(std::string_view command,
                                         const nlohmann::json& arguments = {
                                             {"repository", "st-mary/heart"}}) {
    CommandContext commands{.context = *context, .live = agent.get()};
    return Execute(commands, command, arguments);
  }

  void AddDataset() {
    const auto added = Command("dataset add", {{"path", data.string()}});
    INFO(added.status());
    REQUIRE(added.ok());
  }
  void Approve(nlohmann::json limits = nlohmann::json::object()) {
    limits["repository"] = "st-mary/heart";
    limits["show"] = true;
    const auto offer = Command("approve", limits);
    INFO(offer.status());
    REQUIRE(offer.ok());
    limits.erase("show");
    limits["digest"] = offer->at("approval_digest");
    const auto approved = Command("approve", limits);
    INFO(approved.status());
    REQUIRE(approved.ok());
  }
  // Ready for work.
  void Prepare() {
    AddDataset();
    Approve();
  }

  v1::Commit Commit() const {
    v1::Commit commit;
    commit.set_name(kCommit);
    commit.set_version(7);
    commit.set_digest(crypto::Sha256("commit").ToString());
    commit.set_program_digest(ProgramDigest());
    commit.set_program_bytes(static_cast<int64_t>(program.size()));
    commit.set_weights_digest(crypto::Sha256(weights).ToString());
    commit.set_weights_bytes(static_cast<int64_t>(weights.size()));
    return commit;
  }
  static std::string Contribution(int round) {
    return StrCat(kRepository, "/rounds/", round, "/contributions/c1");
  }
  v1::WatchAssignmentsResponse Training(int round = 1) const {
    v1::WatchAssignmentsResponse event;
    v1::TrainingAssignment& assignment = *event.mutable_training();
    assignment.set_contribution(Contribution(round));
    *assignment.mutable_base_commit() = Commit();
    assignment.set_plan_toml(FormatPlan(plan));
    assignment.set_seed(42);
    assignment.mutable_deadline()->set_seconds(absl::ToUnixSeconds(clock.Now()) + 600);
    return event;
  }

  // Waits for a journal line.
  bool AwaitEvent(const std::string& event, const std::string& text = "") {
    const absl::Time end = absl::Now() + absl::Seconds(20);
    while (absl::Now() < end) {
      for (const auto& line : journal->Tail(1000))
        if (line["event"] == event &&
            line["text"].get<std::string>().find(text) != std::string::npos)
          return true;
      absl::SleepFor(absl::Milliseconds(5));
    }
    return false;
  }
  bool AwaitEmptyOutbox() {
    const absl::Time end = absl::Now() + absl::Seconds(20);
    while (!outbox->List().empty() && absl::Now() < end) absl::SleepFor(absl::Milliseconds(5));
    return outbox->List().empty();
  }
  // What the open stream offers now.
  bool AwaitOffer(const std::string& not_ready) {
    return coordinator.Await([&](const auto& seen) {
      return !seen.offers.empty() && seen.offers.back().not_ready() == not_ready;
    });
  }
};

}  // namespace federity::agent

#endif  // FEDERITY_TESTS_UNIT_CLIENT_AGENT_WORLD_H_
