#ifndef FEDERITY_SERVER_STORE_DATABASE_H_
#define FEDERITY_SERVER_STORE_DATABASE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace federity::store {

// PostgreSQL, behind plain values: libpqxx and its exceptions stay in
// database.cc. State of the coordinator is here and only here.

// A statement's parameters, sent as text beside the statement, never within it.
class Params {
 public:
  Params& Text(std::string_view value);
  Params& Int(int64_t value);
  Params& Real(double value);
  Params& Bool(bool value);
  Params& Bytes(std::string_view value);  // bytea
  Params& Time(absl::Time value);         // timestamptz, microseconds
  Params& Null();
  // Null where there is no value.
  Params& OptionalText(const std::optional<std::string>& value);
  Params& OptionalTime(const std::optional<absl::Time>& value);
  const std::vector<std::optional<std::string>>& values() const { return values_; }

 private:
  std::vector<std::optional<std::string>> values_;
};

// A result row; columns by position. REQUIRES: the column exists and, for the
// typed getters, is not null and holds that type (a wrong one is our own bug and
// gives a zero value and an error log, never a crash).
class Row {
 public:
  explicit Row(std::vector<std::optional<std::string>> columns) : columns_(std::move(columns)) {}
  bool IsNull(size_t column) const;
  std::string Text(size_t column) const;
  int64_t Int(size_t column) const;
  double Real(size_t column) const;
  bool Bool(size_t column) const;
  std::string Bytes(size_t column) const;
  absl::Time Time(size_t column) const;
  std::optional<std::string> OptionalText(size_t column) const;
  std::optional<absl::Time> OptionalTime(size_t column) const;

 private:
  std::vector<std::optional<std::string>> columns_;
};
using Rows = std::vector<Row>;

// One transaction at a time on one connection. Not thread-safe; lives only
// within RunInTransaction's function.
class Transaction {
 public:
  virtual ~Transaction() = default;
  // Runs one statement with $1, $2, … parameters.
  // Errors: ABORTED (serialisation, deadlock: RunInTransaction repeats), ALREADY_EXISTS (unique),
  // FAILED_PRECONDITION (check, foreign key), INVALID_ARGUMENT (a value of the wrong form),
  // DEADLINE_EXCEEDED (60 s), RESOURCE_EXHAUSTED (disk), UNAVAILABLE (connection), INTERNAL.
  virtual absl::StatusOr<Rows> Execute(std::string_view sql, const Params& params = {}) = 0;
  // Exactly one row; NOT_FOUND for none.
  absl::StatusOr<Row> QueryOne(std::string_view sql, const Params& params = {});
  // At most one.
  absl::StatusOr<std::optional<Row>> QueryOptional(std::string_view sql,
                                                   const Params& params = {});
  // How many rows the last statement changed.
  virtual int64_t affected_rows() const = 0;
  // Wakes subscribers of `topic` on every replica, after commit. A topic names
  // what changed ("repository:<id>"), it carries no data.
  virtual absl::Status Notify(std::string_view topic) = 0;
};

// Ends a subscription when it goes. After the destructor returned the callback
// does not run any more.
class Subscription {
 public:
  virtual ~Subscription() = default;
};

// What PostgreSQL calls the sessions of a coordinator that serves.
inline constexpr char kServingApplication[] = "federity-server";

// A pool of connections. Thread-safe.
class Database {
 public:
  struct Options {
    std::string url;  // libpq connection string or URI
    int max_connections = 8;
    absl::Duration acquire_timeout = absl::Seconds(10);
    absl::Duration poll_interval = absl::Seconds(30);
    std::string application = kServingApplication;
  };
  // Connects once, to see that it works. UNAVAILABLE with the driver's message.
  static absl::StatusOr<std::unique_ptr<Database>> Connect(Options options);
  virtual ~Database() = default;

  // Runs `fn` in a transaction (READ COMMITTED) and commits if it returns OK,
  // rolls back otherwise. `fn` may run again after ABORTED or a lost
  // connection (up to 5 times) and must keep no state across runs. If the
  // outcome of a commit is unknown the error is UNAVAILABLE.
  virtual absl::Status RunInTransaction(
      const std::function<absl::Status(Transaction&)>& fn) = 0;

  // Calls `callback` (on the notifier's thread; must be quick) after each
  // Notify of `topic`, after each reconnection, and every poll_interval.
  virtual std::unique_ptr<Subscription> Subscribe(std::string topic,
                                                  std::function<void()> callback) = 0;
};

// Applies the embedded migrations (server/store/migrations, in order, each in
// its transaction) under an advisory lock. FAILED_PRECONDITION if the database
// is newer than this program or an applied migration's checksum differs.
absl::Status Migrate(Database& database);
int SchemaVersion();
// Changes nothing: FAILED_PRECONDITION unless the database has exactly this
// program's schema.
absl::Status CheckSchema(Database& database);

}  // namespace federity::store

#endif  // FEDERITY_SERVER_STORE_DATABASE_H_
