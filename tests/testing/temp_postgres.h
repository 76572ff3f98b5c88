#ifndef FEDERITY_TESTS_TESTING_TEMP_POSTGRES_H_
#define FEDERITY_TESTS_TESTING_TEMP_POSTGRES_H_

#include <memory>
#include <string>

#include "server/store/database.h"

namespace federity::testing {

// A fresh database for one test, dropped at its end. It lies in the cluster of
// the ctest run (environment FEDERITY_TEST_POSTGRES), else in one that this
// process starts once and that goes with it, however it ends. Durability is off.
// Failures throw std::runtime_error. Thread-compatible.
class TempPostgres {
 public:
  enum class Content {
    kMigrated,  // the newest schema, no rows
    kEmpty,
  };
  explicit TempPostgres(Content content = Content::kMigrated);
  ~TempPostgres();
  TempPostgres(const TempPostgres&) = delete;
  TempPostgres& operator=(const TempPostgres&) = delete;

  // For further connections.
  const std::string& url() const { return url_; }
  // Connected at the first call, with the default options.
  store::Database& database();
  // Ends the server processes of all other connections to this database.
  void TerminateConnections();

 private:
  std::string name_;
  std::string url_;
  std::unique_ptr<store::Database> database_;
};

}  // namespace federity::testing

#endif  // FEDERITY_TESTS_TESTING_TEMP_POSTGRES_H_
