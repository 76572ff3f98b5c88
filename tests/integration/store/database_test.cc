#include "server/store/database.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <cmath>
#include <condition_variable>
#include <limits>
#include <mutex>
#include <thread>

#include "absl/time/clock.h"
#include "tests/testing/temp_postgres.h"

namespace federity::store {
namespace {

using testing::TempPostgres;

absl::Status Run(Database& database, std::string_view sql, const Params& params = {}) {
  return database.RunInTransaction([&](Transaction& t) { return t.Execute(sql, params).status(); });
}

Rows Query(Database& database, std::string_view sql, const Params& params = {}) {
  Rows rows;
  const absl::Status status = database.RunInTransaction([&](Transaction& t) -> absl::Status {
    auto result = t.Execute(sql, params);
    if (!result.ok()) return result.status();
    rows = *std::move(result);
    return absl::OkStatus();
  });
  INFO(status);
  REQUIRE(status.ok());
  return rows;
}

// Counts calls and lets a test wait for them.
class Counter {
 public:
  std::function<void()> callback() {
    return [this] {
      std::lock_guard lock(mu_);
      ++count_;
      changed_.notify_all();
    };
  }
  bool WaitFor(int count) {
    std::unique_lock lock(mu_);
    return changed_.wait_for(lock, std::chrono::seconds(30), [&] { return count_ >= count; });
  }
  int count() {
    std::lock_guard lock(mu_);
    return count_;
  }

 private:
  std::mutex mu_;
  std::condition_variable changed_;
  int count_ = 0;
};

TEST_CASE("Values of every type come back as they went", "[store]") {
  TempPostgres postgres(TempPostgres::Content::kEmpty);
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes.push_back(static_cast<char>(i));
  const absl::Time time = absl::FromUnixMicros(1'795'000'000'123'456);
  const Row row =
      Query(postgres.database(),
            "SELECT $1::text, $2::bigint, $3::double precision, $4::boolean, $5::bytea, "
            "$6::timestamptz, $7::text, $8::timestamptz, $9::timestamptz, $10::double precision",
            Params()
                .Text("'; DROP TABLE x; -- \\ ü")
                .Int(std::numeric_limits<int64_t>::min())
                .Real(0.1)
                .Bool(true)
                .Bytes(bytes)
                .Time(time)
                .Null()
                .OptionalTime(std::nullopt)
                .Time(absl::InfiniteFuture())
                .Real(std::numeric_limits<double>::denorm_min()))
          .front();
  CHECK(row.Text(0) == "'; DROP TABLE x; -- \\ ü");
  CHECK(row.Int(1) == std::numeric_limits<int64_t>::min());
  CHECK(row.Real(2) == 0.1);
  CHECK(row.Bool(3));
  CHECK(row.Bytes(4) == bytes);
  CHECK(row.Time(5) == time);
  CHECK(row.IsNull(6));
  CHECK(row.OptionalText(6) == std::nullopt);
  CHECK(row.OptionalTime(7) == std::nullopt);
  CHECK(row.Time(8) == absl::InfiniteFuture());
  CHECK(row.Real(9) == std::numeric_limits<double>::denorm_min());
}

TEST_CASE("Times before 1970 and doubles that are no numbers survive", "[store]") {
  TempPostgres postgres(TempPostgres::Content::kEmpty);
  const absl::Time early = absl::FromUnixMicros(-1'234'567'891);
  const Row row = Query(postgres.database(),
                        "SELECT $1::timestamptz, $2::double precision, $3::double precision",
                        Params().Time(early).Real(std::nan("")).Real(-INFINITY))
                      .front();
  CHECK(row.Time(0) == early);
  CHECK(std::isnan(row.Real(1)));
  CHECK(row.Real(2) == -INFINITY);
}

TEST_CASE("A getter that does not fit gives zero and no crash", "[store]") {
  const Row row({std::nullopt, "abc"});
  CHECK(row.Text(0).empty());
  CHECK(row.Int(1) == 0);
  CHECK(row.Real(1) == 0);
  CHECK_FALSE(row.Bool(1));
  CHECK(row.Bytes(1).empty());
  CHECK(row.Time(1) == absl::UnixEpoch());
  CHECK(row.Int(7) == 0);
}

TEST_CASE("QueryOne and QueryOptional count rows", "[store]") {
  TempPostgres postgres(TempPostgres::Content::kEmpty);
  REQUIRE(postgres.database()
              .RunInTransaction([](Transaction& t) -> absl::Status {
                CHECK(absl::IsNotFound(t.QueryOne("SELECT 1 WHERE false").status()));
                CHECK_FALSE(t.QueryOptional("SELECT 1 WHERE false")->has_value());
                CHECK(t.QueryOne("SELECT 7")->Int(0) == 7);
                CHECK(absl::IsInternal(t.QueryOptional("SELECT generate_series(1, 2)").status()));
                return absl::OkStatus();
              })
              .ok());
}

TEST_CASE("A transaction whose function fails leaves nothing", "[store]") {
  TempPostgres postgres(TempPostgres::Content::kEmpty);
  REQUIRE(Run(postgres.database(), "CREATE TABLE t (x int)").ok());
  const absl::Status status =
      postgres.database().RunInTransaction([](Transaction& t) -> absl::Status {
        CHECK(t.Execute("INSERT INTO t SELECT generate_series(1, 3)").ok());
        CHECK(t.affected_rows() == 3);
        return absl::CancelledError("changed my mind");
      });
  CHECK(absl::IsCancelled(status));
  CHECK(Query(postgres.database(), "SELECT count(*) FROM t").front().Int(0) == 0);
}

TEST_CASE("A failed statement can't be hidden: nothing is committed", "[store]") {
  TempPostgres postgres(TempPostgres::Content::kEmpty);
  REQUIRE(Run(postgres.database(), "CREATE TABLE t (x int UNIQUE)").ok());
  const absl::Status status =
      postgres.database().RunInTransaction([](Transaction& t) -> absl::Status {
        CHECK(t.Execute("INSERT INTO t VALUES (1)").ok());
        CHECK(absl::IsAlreadyExists(t.Execute("INSERT INTO t VALUES (1)").status()));
        return absl::OkStatus();
      });
  CHECK(absl::IsAlreadyExists(status));
  CHECK(Query(postgres.database(), "SELECT count(*) FROM t").front().Int(0) == 0);
}

TEST_CASE("SQLSTATEs become codes, and details with row values stay out", "[store]") {
  TempPostgres postgres(TempPostgres::Content::kEmpty);
  Database& database = postgres.database();
  REQUIRE(Run(database,
              "CREATE TABLE t (x text PRIMARY KEY CHECK (x <> 'bad'));"
              "CREATE TABLE u (x text REFERENCES t(x), y int NOT NULL)")
              .ok());
  REQUIRE(Run(database, "INSERT INTO t VALUES ($1)", Params().Text("secret-value")).ok());

  const absl::Status unique =
      Run(database, "INSERT INTO t VALUES ($1)", Params().Text("secret-value"));
  CHECK(absl::IsAlreadyExists(unique));
  CHECK(unique.ToString().find("secret-value") == std::string::npos);
  CHECK(absl::IsFailedPrecondition(Run(database, "INSERT INTO t VALUES ('bad')")));
  CHECK(absl::IsFailedPrecondition(Run(database, "INSERT INTO u VALUES ('none', 1)")));
  CHECK(absl::IsFailedPrecondition(Run(database, "INSERT INTO u VALUES (NULL, NULL)")));
  CHECK(absl::IsInvalidArgument(Run(database, "SELECT $1::uuid", Params().Text("no uuid"))));
  CHECK(absl::IsInvalidArgument(Run(database, "SELECT $1::text", Params().Text("\xff\xfe"))));
  CHECK(absl::IsInvalidArgument(
      Run(database, "SELECT $1::text", Params().Text(std::string_view("a\0b", 3)))));
  CHECK(absl::IsInternal(Run(database, "SELECT no_such_column FROM t")));
  CHECK(absl::IsDeadlineExceeded(
      Run(database, "SET LOCAL statement_timeout = '20ms'; SELECT pg_sleep(60)")));
  // The connection is still good after all of that.
  CHECK(Query(database, "SELECT count(*) FROM t").front().Int(0) == 1);
}

TEST_CASE("A serialisation failure runs the function again", "[store]") {
  TempPostgres postgres(TempPostgres::Content::kEmpty);
  Database& database = postgres.database();
  REQUIRE(Run(database, "CREATE TABLE t (x int); INSERT INTO t VALUES (0)").ok());
  int runs = 0;
  const absl::Status status = database.RunInTransaction([&](Transaction& t) -> absl::Status {
    ++runs;
    auto begun = t.Execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT x FROM t");
    if (!begun.ok()) return begun.status();
    // The first time, somebody else changes the row under us.
    if (runs == 1) REQUIRE(Run(database, "UPDATE t SET x = x + 10").ok());
    return t.Execute("UPDATE t SET x = x + 1").status();
  });
  CHECK(status.ok());
  CHECK(runs == 2);
  CHECK(Query(database, "SELECT x FROM t").front().Int(0) == 11);
}

TEST_CASE("Repetition ends after five attempts", "[store]") {
  TempPostgres postgres(TempPostgres::Content::kEmpty);
  int runs = 0;
  const absl::Status status = postgres.database().RunInTransaction([&](Transaction& t)
                                                                       -> absl::Status {
    ++runs;
    return t.Execute("DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '40001'; END $$").status();
  });
  CHECK(absl::IsAborted(status));
  CHECK(runs == 5);
}

TEST_CASE("ABORTED from the function itself is not repeated", "[store]") {
  TempPostgres postgres(TempPostgres::Content::kEmpty);
  int runs = 0;
  CHECK(absl::IsAborted(postgres.database().RunInTransaction([&](Transaction&) -> absl::Status {
    ++runs;
    return absl::AbortedError("the head moved");
  })));
  CHECK(runs == 1);
}

TEST_CASE("Connections that died while idle are replaced", "[store]") {
  TempPostgres postgres;
  Database& database = postgres.database();
  REQUIRE(Query(database, "SELECT $1::int", Params().Int(1)).front().Int(0) == 1);
  postgres.TerminateConnections();
  const Row row =
      Query(database, "SELECT $1::int, current_setting('TimeZone'), current_setting('DateStyle')",
            Params().Int(2))
          .front();
  CHECK(row.Int(0) == 2);
  CHECK(row.Text(1) == "UTC");
  CHECK(row.Text(2) == "ISO, YMD");
}

TEST_CASE("A connection lost within a transaction runs it again, whole", "[store]") {
  TempPostgres postgres(TempPostgres::Content::kEmpty);
  Database& database = postgres.database();
  REQUIRE(Run(database, "CREATE TABLE t (x int)").ok());
  int runs = 0;
  const absl::Status status = database.RunInTransaction([&](Transaction& t) -> absl::Status {
    ++runs;
    if (auto first = t.Execute("INSERT INTO t VALUES (1)"); !first.ok()) return first.status();
    if (runs == 1) postgres.TerminateConnections();
    return t.Execute("INSERT INTO t VALUES (2)").status();
  });
  INFO(status);
  CHECK(status.ok());
  CHECK(runs == 2);
  CHECK(Query(database, "SELECT count(*) FROM t").front().Int(0) == 2);
}

TEST_CASE("A lost connection at commit is not repeated", "[store]") {
  TempPostgres postgres(TempPostgres::Content::kEmpty);
  Database& database = postgres.database();
  REQUIRE(Run(database, "CREATE TABLE t (x int)").ok());
  int runs = 0;
  const absl::Status status = database.RunInTransaction([&](Transaction& t) -> absl::Status {
    ++runs;
    auto inserted = t.Execute("INSERT INTO t VALUES (1)");
    postgres.TerminateConnections();
    return inserted.status();
  });
  CHECK(absl::IsUnavailable(status));
  CHECK(runs == 1);
  CHECK(Query(database, "SELECT count(*) FROM t").front().Int(0) == 0);
}

TEST_CASE("A database that isn't there is UNAVAILABLE", "[store]") {
  const auto database = Database::Connect({.url = "host=/nonexistent dbname=x"});
  CHECK(absl::IsUnavailable(database.status()));
}

TEST_CASE("A busy pool makes callers wait, and says so in the end", "[store]") {
  TempPostgres postgres(TempPostgres::Content::kEmpty);
  auto database = *Database::Connect(
      {.url = postgres.url(), .max_connections = 1, .acquire_timeout = absl::Milliseconds(50)});
  const absl::Status outer = database->RunInTransaction([&](Transaction&) {
    return database->RunInTransaction([](Transaction&) { return absl::OkStatus(); });
  });
  CHECK(absl::IsUnavailable(outer));
  CHECK(database->RunInTransaction([](Transaction&) { return absl::OkStatus(); }).ok());
}

TEST_CASE("Many threads share few connections", "[store]") {
  TempPostgres postgres(TempPostgres::Content::kEmpty);
  auto database = *Database::Connect({.url = postgres.url(), .max_connections = 3});
  REQUIRE(Run(*database, "CREATE TABLE t (x int); INSERT INTO t VALUES (0)").ok());
  std::atomic<int> failures = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < 10; ++j) {
        if (!Run(*database, "UPDATE t SET x = x + $1::int", Params().Int(1)).ok()) ++failures;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(failures == 0);
  CHECK(Query(*database, "SELECT x FROM t").front().Int(0) == 80);
}

TEST_CASE("Subscribers of a topic hear of commits, not of roll-backs", "[store]") {
  TempPostgres postgres(TempPostgres::Content::kEmpty);
  Database& database = postgres.database();
  Counter mine;
  Counter other;
  const auto subscription = database.Subscribe("repository:1", mine.callback());
  const auto other_subscription = database.Subscribe("repository:2", other.callback());
  // The first connection calls everybody, whenever it comes.
  REQUIRE(mine.WaitFor(1));
  REQUIRE(other.WaitFor(1));
  (void)database.RunInTransaction([](Transaction& t) -> absl::Status {
    CHECK(t.Notify("repository:2").ok());
    return absl::CancelledError("");
  });
  REQUIRE(database.RunInTransaction([](Transaction& t) { return t.Notify("repository:1"); }).ok());
  CHECK(mine.WaitFor(2));
  CHECK(other.count() == 1);
}

TEST_CASE("After a reconnection every subscriber looks again", "[store]") {
  TempPostgres postgres(TempPostgres::Content::kEmpty);
  Database& database = postgres.database();
  Counter counter;
  const auto subscription = database.Subscribe("t", counter.callback());
  REQUIRE(counter.WaitFor(1));
  postgres.TerminateConnections();
  REQUIRE(counter.WaitFor(2));
  REQUIRE(database.RunInTransaction([](Transaction& t) { return t.Notify("t"); }).ok());
  CHECK(counter.WaitFor(3));
}

TEST_CASE("The poll calls everybody without a notification", "[store]") {
  TempPostgres postgres(TempPostgres::Content::kEmpty);
  auto database =
      *Database::Connect({.url = postgres.url(), .poll_interval = absl::Milliseconds(20)});
  Counter counter;
  const auto subscription = database->Subscribe("t", counter.callback());
  CHECK(counter.WaitFor(5));
}

TEST_CASE("An ended subscription is silent", "[store]") {
  TempPostgres postgres(TempPostgres::Content::kEmpty);
  auto database =
      *Database::Connect({.url = postgres.url(), .poll_interval = absl::Milliseconds(1)});
  for (int i = 0; i < 50; ++i) {
    // The callback uses memory that goes right after the subscription.
    auto counter = std::make_unique<Counter>();
    auto subscription = database->Subscribe("t", counter->callback());
    REQUIRE(counter->WaitFor(1));
    subscription.reset();
    const int count = counter->count();
    std::this_thread::yield();
    CHECK(counter->count() == count);
    counter.reset();
  }
}

TEST_CASE("A subscription may end itself or another one from its callback", "[store]") {
  TempPostgres postgres(TempPostgres::Content::kEmpty);
  auto database =
      *Database::Connect({.url = postgres.url(), .poll_interval = absl::Milliseconds(5)});
  std::mutex mu;
  std::unique_ptr<Subscription> first;
  std::unique_ptr<Subscription> second;
  Counter calls;
  std::atomic<bool> second_ended = false;
  std::atomic<bool> called_after_end = false;
  const auto end_both = [&, call = calls.callback()] {
    std::lock_guard lock(mu);
    first.reset();
    second.reset();
    second_ended = true;
    call();
  };
  {
    std::lock_guard lock(mu);
    first = database->Subscribe("a", end_both);
    second = database->Subscribe("b", [&] {
      if (second_ended) called_after_end = true;
    });
  }
  REQUIRE(calls.WaitFor(1));
  Counter later;
  const auto third = database->Subscribe("c", later.callback());
  REQUIRE(later.WaitFor(3));
  CHECK(calls.count() == 1);
  CHECK_FALSE(called_after_end);
}

}  // namespace
}  // namespace federity::store
