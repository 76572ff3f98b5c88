// Two coordinators on one database, one blob folder and one key file.

#include <signal.h>

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "server/store/database.h"
#include "tests/e2e/federation.h"

namespace federity::e2e {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::ServerProcess;
using Addresses = std::vector<std::string>;

constexpr auto kRepository = Hospitals::kRepository;
constexpr int kMerging = 3, kTraining = 2, kCommitted = 4;

// Same seed in every round, so that undisturbed runs give the same weights.
std::string SeededPlan() {
  return Edited(ReadText(DemoFile("plan-wdbc.toml")), "[training]\n", "[training]\nseed = 7\n");
}

Addresses Known(const fs::path& home) {
  Addresses known;
  for (const auto& entry : fs::directory_iterator(home / "identities")) {
    known = json::parse(ReadText(entry.path() / "identity.json")).at("addresses").get<Addresses>();
  }
  std::sort(known.begin(), known.end());
  return known;
}

// Three hospitals, coordinators A and B.
class Replicas {
 public:
  // Whether each hospital's agent prefers B.
  explicit Replicas(const std::vector<bool>& prefers_b)
      : b_({.replica_of = &federation_.coordinator()}) {
    for (ServerProcess* server : {&a(), &b_}) {
      CHECK(server->Stop() == 0);
      server->SetPublic({a().address(), b_.address()});
    }
    // B's first public address is A's: keep its own in mind.
    address_b_ = b_.address();
    a().Start();
    b_.Start();
    UseFirst(false);
    federation_.CreateRepository(kRepository, DemoFile("models/wdbc.pt"), SeededPlan());
    const std::vector<std::string> rows = DealBreastCancer(static_cast<int>(prefers_b.size()));
    for (size_t i = 0; i < rows.size(); ++i) Add(rows[i], prefers_b[i]);
    federation_.Do("owner", {"stats", "run", kRepository});
  }

  Federation& federation() { return federation_; }
  ServerProcess& a() { return federation_.coordinator(); }
  ServerProcess& b() { return b_; }
  std::vector<Agent*>& agents() { return agents_; }
  Addresses Order(bool b_first) {
    return b_first ? Addresses{address_b_, a().address()} : Addresses{a().address(), address_b_};
  }
  // What people's programs try first.
  void UseFirst(bool b_first) {
    for (const char* who : {"admin", "owner"}) Prefer(federation_.home(who), Order(b_first));
  }
  std::string PortB() const { return address_b_.substr(address_b_.rfind(':')); }
  std::string PortA() { return a().address().substr(a().address().rfind(':')); }

  // A configuration with the key file and a blob folder of its own.
  fs::path KeyAlone() {
    const fs::path file = federation_.directory() / "key-alone.toml";
    WriteText(file, "key_file = \"" + a().data_directory().string() + ".key\"\n");
    return file;
  }

  store::Rows Sql(const std::string& sql) {
    store::Rows rows;
    const absl::Status status = a().postgres().database().RunInTransaction(
        [&](store::Transaction& transaction) {
          auto result = transaction.Execute(sql);
          if (result.ok()) rows = *std::move(result);
          return result.status();
        });
    INFO(status);
    REQUIRE(status.ok());
    return rows;
  }
  int64_t Count(const std::string& rows) { return Sql("SELECT count(*) FROM " + rows)[0].Int(0); }
  // Of the newest round.
  int64_t State() { return Sql("SELECT state FROM rounds ORDER BY number DESC LIMIT 1")[0].Int(0); }
  // Each look is a question to the database, so this does not spin.
  void AwaitState(int64_t state) {
    while (State() < state) {
    }
  }

  // Everything happened once, and gave what an undisturbed coordinator gives.
  void CheckAll(int rounds) {
    const json log = federation_.Json("owner", {"log", kRepository});
    CHECK(log.at("commits").size() == static_cast<size_t>(rounds) + 1);
    for (int i = 0; i < rounds; ++i) CHECK(log.at("commits")[i].at("contributions") == 3);
    CHECK(Count("commits") == rounds + 1);
    CHECK(Count("rounds WHERE state = 4") == rounds);
    CHECK(Count("rounds") == rounds);
    CHECK(Count("contributions WHERE state = 4") == 3 * rounds);
    CHECK(Count("contributions") == 3 * rounds);
    CHECK(Count("audit_events WHERE action = 'MoveRound'") == 3 * rounds);
    CHECK(Count("audit_events WHERE action = 'MoveContribution'") == 3 * rounds);
    const std::string weights = federation_.Head(kRepository).at("weights_digest");
    Hospitals undisturbed(SeededPlan());
    CHECK(undisturbed.federation.RunRounds(kRepository, rounds).at("state") == "COMMITTED");
    CHECK(undisturbed.federation.Head(kRepository).at("weights_digest") == weights);
  }

 private:
  void Add(const std::string& rows, bool prefers_b) {
    const std::string name = "Hospital " + std::to_string(agents_.size() + 1);
    Agent& agent = federation_.JoinAgent(kRepository, name);
    Addresses both = Order(false);
    std::sort(both.begin(), both.end());
    CHECK(Known(agent.state()) == both);
    Prefer(agent.state(), Order(prefers_b));
    const fs::path file = agent.directory() / "patients.csv";
    WriteText(file, rows);
    agent.Do({"dataset", "add", file.string(), "--repo", kRepository});
    federation_.Approve(agent, kRepository);
    agent.Start();
    federation_.AwaitOnline(kRepository, agent);
    agents_.push_back(&agent);
  }

  Federation federation_;
  ServerProcess b_;
  std::string address_b_;
  std::vector<Agent*> agents_;
};

// Until the agent's stream goes to this port. Each look is a program's run.
void AwaitAt(Agent& agent, const std::string& port) {
  std::string connection;
  for (int look = 0; look < 1000; ++look) {
    connection = agent.Json({"status"}).at("memberships")[0].at("connection");
    if (connection.ends_with(port)) return;
  }
  FAIL("not at " << port << ": " << connection);
}

// Until a program has written it.
void AwaitOutput(const ServerProcess& server, const std::string& text) {
  const absl::Time end = absl::Now() + absl::Seconds(60);
  while (server.output().find(text) == std::string::npos) {
    if (absl::Now() > end) FAIL("not in " << server.output());
    absl::SleepFor(absl::Milliseconds(10));
  }
}

// A process that stands still.
class Paused {
 public:
  explicit Paused(pid_t pid) : pid_(pid) { kill(pid_, SIGSTOP); }
  ~Paused() { Continue(); }
  void Continue() {
    if (pid_ > 0) kill(std::exchange(pid_, 0), SIGCONT);
  }
  Paused(const Paused&) = delete;
  Paused& operator=(const Paused&) = delete;

 private:
  pid_t pid_;
};

// Sends a signal to A in the moment in which it has taken a merge; B stands still
// meanwhile. A merge is short, so that this may come too late: then the round is
// committed, and another is begun.
class Ambush {
 public:
  explicit Ambush(Replicas& replicas) : replicas_(replicas) {
    replicas.Sql("CREATE FUNCTION tell_claim() RETURNS trigger LANGUAGE plpgsql AS "
                 "$$BEGIN PERFORM pg_notify('federity', 'test:claim'); RETURN NULL; END$$");
    replicas.Sql("CREATE TRIGGER tell_claim AFTER UPDATE ON rounds FOR EACH ROW "
                 "WHEN (NEW.lease_token > OLD.lease_token) EXECUTE FUNCTION tell_claim()");
    database_ = *store::Database::Connect(
        {.url = replicas.a().postgres().url(), .poll_interval = absl::Hours(1)});
    subscription_ = database_->Subscribe("test:claim", [this] {
      if (const pid_t pid = target_.load(); pid > 0) kill(pid, signal_);
    });
  }

  // Begins rounds until one is merging, its lease A's, and A was hit. Counts them.
  std::unique_ptr<Paused> Catch(int signal, int* rounds) {
    signal_ = signal;
    while (*rounds < 30) {
      auto paused_b = std::make_unique<Paused>(replicas_.b().pid());
      replicas_.federation().Do("owner", {"round", "start", kRepository});
      ++*rounds;
      target_ = replicas_.a().pid();
      if (Hit()) return paused_b;
      target_ = 0;
      Miss();
    }
    FAIL("no merge was caught");
    return nullptr;
  }

 private:
  bool InTransaction() {
    return replicas_.Count("pg_stat_activity WHERE datname = current_database() "
                           "AND application_name = 'federity-server' "
                           "AND pid <> pg_backend_pid() AND state <> 'idle'") > 0;
  }
  // True once A stands still, or is dead, with the round merging and no transaction
  // of its own open; false if the round was committed.
  bool Hit() {
    while (true) {
      const int64_t leased =
          replicas_.Count("rounds WHERE state = 3 AND lease_until IS NOT NULL");
      if (leased == 1 && !InTransaction() && replicas_.State() == kMerging && Struck()) {
        target_ = 0;
        return replicas_.State() == kMerging;
      }
      if (replicas_.State() == kCommitted) return false;
      // Stopped within a transaction: a little further.
      if (leased == 1 && InTransaction() && signal_ == SIGSTOP && Struck()) {
        kill(replicas_.a().pid(), SIGCONT);
        kill(replicas_.a().pid(), SIGSTOP);
      }
    }
  }
  // Whether A stands still or is dead.
  bool Struck() {
    const std::string status =
        ReadText("/proc/" + std::to_string(replicas_.a().pid()) + "/status");
    const size_t at = status.find("State:\t");
    return at == std::string::npos || std::string("TZX").find(status[at + 7]) != std::string::npos;
  }
  void Miss() {
    if (signal_ == SIGKILL && Struck()) {
      replicas_.a().Kill();
      replicas_.a().Start();
    } else {
      kill(replicas_.a().pid(), SIGCONT);
    }
    for (Agent* agent : replicas_.agents()) {
      replicas_.federation().AwaitOnline(kRepository, *agent);
    }
  }

  Replicas& replicas_;
  std::atomic<pid_t> target_{0};
  std::atomic<int> signal_{0};
  std::unique_ptr<store::Database> database_;
  std::unique_ptr<store::Subscription> subscription_;
};

}  // namespace

TEST_CASE("Two coordinators serve, and agents of one that dies go to the other", "[e2e]") {
  Replicas replicas({false, true, false});
  Federation& federation = replicas.federation();
  const auto at = [&](size_t agent, const std::string& port) {
    AwaitAt(*replicas.agents()[agent], port);
  };
  at(0, replicas.PortA());
  at(1, replicas.PortB());
  at(2, replicas.PortA());
  const json status = replicas.agents()[0]->Json({"status"}).at("memberships")[0];
  CHECK(status.at("addresses").get<Addresses>() == replicas.Order(false));
  CHECK(federation.RunRounds(kRepository, 1).at("state") == "COMMITTED");

  // Dead while agents train; the owner's program finds B by itself.
  federation.Do("owner", {"round", "start", kRepository});
  replicas.AwaitState(kTraining);
  replicas.a().Kill();
  CHECK(federation.Watch(kRepository).at("state") == "COMMITTED");
  for (size_t i = 0; i < 3; ++i) at(i, replicas.PortB());
  const Finished doctor = federation.Try("owner", {"doctor", "--json"});
  CHECK(doctor.status == 1);
  const json report = json::parse(doctor.out);
  for (const json& check : report.at("checks")) {
    const auto name = check.at("check").get<std::string>();
    const auto where = check.at("where").get<std::string>();
    INFO(check);
    CHECK((check.at("result") == "failed") == (where == replicas.a().address() && name == "port"));
    if (name == "sign-in") CHECK(where == replicas.Order(true)[0]);
  }

  // Without the shared folder a replica would take every model for lost.
  const Finished without_blobs = ServerProcess::Run(
      {"run", "--data-dir", (federation.directory() / "c").string(), "--listen", "127.0.0.1:0",
       "--database-url", replicas.a().postgres().url(), "--config", replicas.KeyAlone().string()});
  CHECK(without_blobs.status == 1);
  CHECK(without_blobs.err.find("mounted") != std::string::npos);

  // Back, it takes its part again.
  replicas.a().Start();
  CHECK(replicas.b().Stop() == 0);
  CHECK(federation.RunRounds(kRepository, 1).at("state") == "COMMITTED");
  replicas.CheckAll(3);
}

TEST_CASE("A merge whose coordinator stalls or dies is taken over, and committed once", "[e2e]") {
  Replicas replicas({false, false, false});
  Federation& federation = replicas.federation();
  Ambush ambush(replicas);
  int rounds = 0;
  const auto taken_over = [&] {
    replicas.UseFirst(true);
    CHECK(federation.Watch(kRepository).at("state") == "COMMITTED");
    CHECK(replicas.Count("rounds WHERE state = 4 AND lease_token = 2") > 0);
    replicas.UseFirst(false);
  };

  {
    const std::unique_ptr<Paused> b = ambush.Catch(SIGSTOP, &rounds);
    Paused a(replicas.a().pid());
    b->Continue();
    taken_over();
    CHECK(replicas.Count("commits") == rounds + 1);
  }
  // A goes on where it was, too late.
  AwaitOutput(replicas.a(), "a merge is left to the replica that took it over");
  CHECK(replicas.a().Stop() == 0);
  CHECK(replicas.Count("commits") == rounds + 1);
  replicas.a().Start();
  for (Agent* agent : replicas.agents()) federation.AwaitOnline(kRepository, *agent);

  {
    // Those that had gone to B come back to A, which is alone for a moment.
    const Paused b(replicas.b().pid());
    for (Agent* agent : replicas.agents()) {
      CHECK(agent->Stop() == 0);
      agent->Start();
      federation.AwaitOnline(kRepository, *agent);
    }
  }
  {
    const std::unique_ptr<Paused> b = ambush.Catch(SIGKILL, &rounds);
    replicas.a().Kill();
    b->Continue();
    taken_over();
  }
  replicas.a().Start();
  replicas.CheckAll(rounds);
}

}  // namespace federity::e2e
