#ifndef FEDERITY_SERVER_EMBEDDED_POSTGRES_PROCESS_H_
#define FEDERITY_SERVER_EMBEDDED_POSTGRES_PROCESS_H_

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace federity::embedded_postgres {

// A system user that a program runs as.
struct SystemUser {
  std::string name;
  uid_t uid = 0;
  gid_t gid = 0;
};

// The user of this process.
SystemUser CurrentUser();
// By name or uid; NOT_FOUND.
absl::StatusOr<SystemUser> FindUser(const std::string& name);
absl::StatusOr<SystemUser> FindUser(uid_t uid);

// How to start a program. It gets a session of its own (a Ctrl-C at our
// terminal is for us), no other descriptors and a small environment.
struct ProgramSpec {
  std::vector<std::string> arguments;  // the first is the program's path
  SystemUser user;                     // dropped to if we are root
  std::filesystem::path directory = "/";
  int output = -1;  // standard output and error; -1: nowhere
  std::vector<std::string> environment = {};  // "NAME=value", beside the small one
};

// The pid of the started program. PERMISSION_DENIED where the user can't enter
// the directory or execute the program.
absl::StatusOr<pid_t> StartProgram(const ProgramSpec& spec);

// Starts it and waits; its output. INTERNAL with the output's end unless it
// exits with 0.
absl::StatusOr<std::string> RunProgram(ProgramSpec spec);

}  // namespace federity::embedded_postgres

#endif  // FEDERITY_SERVER_EMBEDDED_POSTGRES_PROCESS_H_
