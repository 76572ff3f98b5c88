#include "tests/testing/temp_postgres.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <pqxx/pqxx>
#include <stdexcept>

#include "common/base/files.h"
#include "common/crypto/secret.h"

namespace federity::testing {
namespace {

[[noreturn]] void Fail(const std::string& what) { throw std::runtime_error(what); }

// A cluster for this process. The program that runs it ends when our end of its
// standard input closes, which the kernel does even if we crash.
struct OwnCluster {
  FileDescriptor alive;
  std::string url;
};

OwnCluster StartOwnCluster() {
  int input[2];
  int output[2];
  if (pipe2(input, O_CLOEXEC) != 0 || pipe2(output, O_CLOEXEC) != 0) Fail("pipe");
  const FileDescriptor child_input(input[0]);
  FileDescriptor alive(input[1]);
  const FileDescriptor child_output_read(output[0]);
  FileDescriptor child_output(output[1]);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, child_input.get(), 0);
  posix_spawn_file_actions_adddup2(&actions, child_output.get(), 1);
  // Not our standard error: ctest waits until everybody has closed it.
  posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
  std::string program = FEDERITY_TEST_POSTGRES_PROGRAM;
  std::string verb = "serve";
  std::string cache = FEDERITY_TEST_POSTGRES_CACHE;
  char* const argv[] = {program.data(), verb.data(), cache.data(), nullptr};
  pid_t pid = 0;
  const int error = posix_spawn(&pid, program.c_str(), &actions, nullptr, argv, environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) Fail("can't start " + program);
  child_output = FileDescriptor();

  std::string url;
  char c;
  while (read(child_output_read.get(), &c, 1) == 1 && c != '\n') url.push_back(c);
  if (url.empty()) Fail("no test PostgreSQL; run `" + program + " serve " + cache + "` by hand");
  return {std::move(alive), std::move(url)};
}

std::optional<std::string> SharedCluster() {
  const char* url = std::getenv("FEDERITY_TEST_POSTGRES");
  if (url == nullptr) return std::nullopt;
  try {
    pqxx::connection connection(url);
    return url;
  } catch (const std::exception&) {
    return std::nullopt;  // the fixture was not run
  }
}

const std::string& ClusterUrl() {
  static const OwnCluster cluster = [] {
    if (std::optional<std::string> shared = SharedCluster()) return OwnCluster{{}, *shared};
    return StartOwnCluster();
  }();
  return cluster.url;
}

void Administer(const std::string& sql) {
  pqxx::connection connection(ClusterUrl());
  pqxx::nontransaction(connection).exec(sql);
}

}  // namespace

TempPostgres::TempPostgres(Content content) {
  name_ = "test_" + crypto::RandomUuid();
  std::replace(name_.begin(), name_.end(), '-', '_');
  const char* source = content == Content::kMigrated ? "federity_template" : "template0";
  Administer("CREATE DATABASE " + name_ + " TEMPLATE " + source);
  url_ = ClusterUrl() + " dbname=" + name_;  // the last dbname counts
}

TempPostgres::~TempPostgres() {
  database_.reset();
  try {
    Administer("DROP DATABASE IF EXISTS " + name_ + " WITH (FORCE)");
  } catch (const std::exception&) {
    // It goes with the cluster.
  }
}

store::Database& TempPostgres::database() {
  if (database_ == nullptr) {
    auto database = store::Database::Connect({.url = url_});
    if (!database.ok()) Fail(database.status().ToString());
    database_ = *std::move(database);
  }
  return *database_;
}

void TempPostgres::TerminateConnections() {
  Administer("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '" + name_ +
             "'");
}

}  // namespace federity::testing
