#include "server/maintenance/dump.h"

#include <libpq-fe.h>

#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_replace.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "server/embedded_postgres/installation.h"
#include "server/embedded_postgres/process.h"

namespace federity::maintenance {
namespace {

struct Connection {
  std::string parameters;                // libpq's, without the password
  std::vector<std::string> environment;  // with it
};

absl::StatusOr<Connection> ParseUrl(const std::string& url) {
  char* error = nullptr;
  const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> options(
      PQconninfoParse(url.c_str(), &error), &PQconninfoFree);
  const std::unique_ptr<char, decltype(&PQfreemem)> message(error, &PQfreemem);
  if (!options) {
    return absl::InvalidArgumentError(
        StrCat("the database's URL: ", message ? message.get() : "out of memory"));
  }
  Connection connection;
  for (const PQconninfoOption* option = options.get(); option->keyword != nullptr; ++option) {
    if (option->val == nullptr) continue;
    if (std::string_view(option->keyword) == "password") {
      connection.environment.push_back(StrCat("PGPASSWORD=", option->val));
    } else {
      connection.parameters +=
          StrCat(option->keyword, "='",
                 absl::StrReplaceAll(option->val, {{"\\", "\\\\"}, {"'", "\\'"}}), "' ");
    }
  }
  return connection;
}

absl::Status RunTool(const std::string& url, std::string_view program,
                     std::vector<std::string> arguments) {
  FEDERITY_ASSIGN_OR_RETURN(const Connection connection, ParseUrl(url));
  FEDERITY_ASSIGN_OR_RETURN(const embedded_postgres::Installation installation,
                            embedded_postgres::FindInstallation(std::nullopt));
  arguments.insert(arguments.begin(), (installation.bin / program).string());
  arguments.push_back(StrCat("--dbname=", connection.parameters));
  return embedded_postgres::RunProgram({.arguments = std::move(arguments),
                                        .user = embedded_postgres::CurrentUser(),
                                        .environment = connection.environment})
      .status();
}

}  // namespace

absl::Status DumpDatabase(const std::string& url, const std::filesystem::path& file) {
  return RunTool(url, "pg_dump",
                 {"--format=custom", "--no-owner", "--no-privileges",
                  StrCat("--file=", file.string())});
}

absl::Status LoadDump(const std::string& url, const std::filesystem::path& file) {
  return RunTool(url, "pg_restore",
                 {"--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges",
                  file.string()});
}

}  // namespace federity::maintenance
