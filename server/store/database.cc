#include "server/store/database.h"

#include <array>
#include <exception>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/random/random.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "common/base/status_macros.h"
#include "server/store/notifier.h"
#include "server/store/pqxx_connection.h"
#include "server/store/sql_error.h"

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

namespace federity::store {
namespace {

constexpr int kMaxAttempts = 5;
// Beyond it a connection is replaced: SQL comes from constants in the program,
// so that this many different statements means that something builds SQL.
constexpr size_t kMaxPrepared = 512;

// What libpqxx threw, as a status. Sets `*lost` if the connection is gone.
absl::Status StatusFromException(const std::exception& e, bool* lost) {
  *lost = false;
  if (const auto* in_doubt = dynamic_cast<const pqxx::in_doubt_error*>(&e)) {
    return absl::UnavailableError(
        absl::StrCat("database: the outcome of a commit is unknown: ", in_doubt->what()));
  }
  // A lost connection inside a transaction comes as either; 57P.. is a server
  // that goes down and closes the connection right after.
  if (const auto* sql = dynamic_cast<const pqxx::sql_error*>(&e)) {
    absl::Status status = StatusFromSqlState(sql->sqlstate(), sql->what());
    *lost = absl::IsUnavailable(status);
    return status;
  }
  if (dynamic_cast<const pqxx::broken_connection*>(&e) != nullptr) {
    *lost = true;
    return StatusFromSqlState("08006", e.what());
  }
  if (dynamic_cast<const pqxx::serialization_failure*>(&e) != nullptr) {
    return StatusFromSqlState("40001", e.what());
  }
  if (dynamic_cast<const pqxx::deadlock_detected*>(&e) != nullptr) {
    return StatusFromSqlState("40P01", e.what());
  }
  return StatusFromSqlState("", e.what());
}

// 7.10 throws for a statement that has no count, such as CREATE TABLE.
int64_t AffectedRows(const pqxx::result& result) {
  try {
    return static_cast<int64_t>(result.affected_rows());
  } catch (const pqxx::conversion_error&) {
    return 0;
  }
}

// A connection with the statements prepared on it.
struct Session {
  std::unique_ptr<pqxx::connection> connection;
  absl::flat_hash_map<std::string, std::string> prepared;  // SQL → name
};

class PqxxTransaction : public Transaction {
 public:
  explicit PqxxTransaction(Session& session) : session_(session), work_(*session.connection) {}

  absl::StatusOr<Rows> Execute(std::string_view sql, const Params& params) override {
    // After a failed statement PostgreSQL takes no other; the first error tells why.
    FEDERITY_RETURN_IF_ERROR(failure_);
    for (const auto& value : params.values()) {
      if (value.has_value() && value->find('\0') != std::string::npos) {
        return absl::InvalidArgumentError("text for the database holds a NUL character");
      }
    }
    try {
      return Convert(Run(std::string(sql), params));
    } catch (const std::exception& e) {
      failure_ = StatusFromException(e, &connection_lost_);
      if (!session_.connection->is_open()) connection_lost_ = true;
      return failure_;
    }
  }

  int64_t affected_rows() const override { return affected_rows_; }

  absl::Status Notify(std::string_view topic) override {
    return Execute("SELECT pg_notify($1::text, $2::text)",
                   Params().Text(Notifier::kChannel).Text(topic))
        .status();
  }

  absl::Status Commit() {
    FEDERITY_RETURN_IF_ERROR(failure_);
    try {
      work_.commit();
    } catch (const std::exception& e) {
      // Lost here, the outcome is unknown: not to be repeated.
      bool lost = false;
      failure_ = StatusFromException(e, &lost);
    }
    return failure_;
  }

  // The first error of a statement or of the commit.
  const absl::Status& failure() const { return failure_; }
  // Whether the connection went before anything could be committed.
  bool connection_lost() const { return connection_lost_; }

 private:
  pqxx::result Run(const std::string& sql, const Params& params) {
    // The simple protocol takes several statements at once, as migrations have.
    if (params.values().empty()) return work_.exec(sql);
    auto [found, inserted] = session_.prepared.try_emplace(sql);
    if (inserted) {
      found->second = absl::StrCat("s", session_.prepared.size());
      session_.connection->prepare(found->second, sql);
    }
    std::vector<const char*> values;
    values.reserve(params.values().size());
    for (const auto& value : params.values()) {
      values.push_back(value.has_value() ? value->c_str() : nullptr);
    }
    return work_.exec_prepared(found->second, pqxx::prepare::make_dynamic_params(values));
  }

  Rows Convert(const pqxx::result& result) {
    affected_rows_ = AffectedRows(result);
    Rows rows;
    rows.reserve(static_cast<size_t>(result.size()));
    for (const auto& row : result) {
      std::vector<std::optional<std::string>> columns;
      columns.reserve(static_cast<size_t>(row.size()));
      for (const auto& field : row) {
        if (field.is_null()) {
          columns.emplace_back();
        } else {
          columns.emplace_back(std::in_place, field.c_str(), static_cast<size_t>(field.size()));
        }
      }
      rows.emplace_back(std::move(columns));
    }
    return rows;
  }

  Session& session_;
  pqxx::work work_;
  absl::Status failure_;
  bool connection_lost_ = false;
  int64_t affected_rows_ = 0;
};

class PooledDatabase : public Database {
 public:
  explicit PooledDatabase(Options options) : options_(std::move(options)) {}

  // Connects once, then listens.
  absl::Status Begin() {
    FEDERITY_ASSIGN_OR_RETURN(std::unique_ptr<Session> session, Acquire());
    Release(std::move(session), /*broken=*/false);
    notifier_ = std::make_unique<Notifier>(options_.url, options_.application,
                                           options_.poll_interval);
    return absl::OkStatus();
  }

  absl::Status RunInTransaction(const std::function<absl::Status(Transaction&)>& fn) override {
    absl::BitGen random;
    absl::Duration backoff = absl::Milliseconds(2);
    for (int attempt = 1;; ++attempt) {
      bool retryable = false;
      absl::Status status = RunOnce(fn, &retryable);
      if (!retryable || attempt == kMaxAttempts) return status;
      absl::SleepFor(backoff * absl::Uniform(random, 0.5, 1.5));
      backoff *= 2;
    }
  }

  std::unique_ptr<Subscription> Subscribe(std::string topic,
                                          std::function<void()> callback) override {
    return notifier_->Subscribe(std::move(topic), std::move(callback));
  }

 private:
  // A session of the pool, or a new one. Waits for one to come back.
  absl::StatusOr<std::unique_ptr<Session>> Acquire() ABSL_LOCKS_EXCLUDED(mu_) {
    {
      absl::MutexLock lock(&mu_);
      const auto available = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
        return !idle_.empty() || open_ < options_.max_connections;
      };
      if (!mu_.AwaitWithTimeout(absl::Condition(&available), options_.acquire_timeout)) {
        return absl::UnavailableError(absl::StrCat("database: all ", options_.max_connections,
                                                   " connections are busy; try again"));
      }
      if (!idle_.empty()) {
        std::unique_ptr<Session> session = std::move(idle_.back());
        idle_.pop_back();
        return session;
      }
      ++open_;
    }
    auto session = std::make_unique<Session>();
    try {
      session->connection = OpenConnection(options_.url, options_.application);
    } catch (const std::exception& e) {
      absl::MutexLock lock(&mu_);
      --open_;
      return absl::UnavailableError(absl::StrCat("database: can't connect: ", e.what()));
    }
    return session;
  }

  // Gives it back; with `broken` it is closed instead.
  void Release(std::unique_ptr<Session> session, bool broken) ABSL_LOCKS_EXCLUDED(mu_) {
    std::unique_ptr<Session> closed;  // outside of the lock
    absl::MutexLock lock(&mu_);
    if (broken || session->prepared.size() > kMaxPrepared) {
      --open_;
      closed = std::move(session);
    } else {
      idle_.push_back(std::move(session));
    }
  }

  absl::Status RunOnce(const std::function<absl::Status(Transaction&)>& fn, bool* retryable) {
    FEDERITY_ASSIGN_OR_RETURN(std::unique_ptr<Session> session, Acquire());
    absl::Status status;
    bool lost = false;
    try {
      PqxxTransaction transaction(*session);
      status = fn(transaction);
      // A function may hide a failed statement, yet nothing of it can be committed.
      if (status.ok()) status = transaction.Commit();
      lost = transaction.connection_lost();
      *retryable = lost || absl::IsAborted(transaction.failure());
    } catch (const std::exception& e) {  // BEGIN failed, or fn threw
      status = StatusFromException(e, &lost);
      *retryable = lost;
    }
    Release(std::move(session), lost || absl::IsUnavailable(status));
    return status;
  }

  const Options options_;
  absl::Mutex mu_;
  std::vector<std::unique_ptr<Session>> idle_ ABSL_GUARDED_BY(mu_);
  int open_ ABSL_GUARDED_BY(mu_) = 0;
  std::unique_ptr<Notifier> notifier_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Database>> Database::Connect(Options options) {
  auto database = std::make_unique<PooledDatabase>(std::move(options));
  FEDERITY_RETURN_IF_ERROR(database->Begin());
  return std::unique_ptr<Database>(std::move(database));
}

}  // namespace federity::store
