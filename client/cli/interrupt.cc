#include "client/cli/interrupt.h"

#include <stdlib.h>

#include <cerrno>
#include <csignal>
#include <system_error>

#include "common/base/files.h"
#include "common/base/strings.h"

namespace federity::cli {
namespace {

volatile std::sig_atomic_t interrupted = 0;

extern "C" void OnInterrupt(int) { interrupted = 1; }

struct sigaction previous_int, previous_term;

}  // namespace

InterruptScope::InterruptScope() {
  interrupted = 0;
  struct sigaction action {};
  action.sa_handler = OnInterrupt;
  action.sa_flags = static_cast<int>(SA_RESETHAND);  // the second one kills
  ::sigaction(SIGINT, &action, &previous_int);
  ::sigaction(SIGTERM, &action, &previous_term);
}

InterruptScope::~InterruptScope() {
  ::sigaction(SIGINT, &previous_int, nullptr);
  ::sigaction(SIGTERM, &previous_term, nullptr);
}

bool InterruptScope::Interrupted() { return interrupted != 0; }

absl::StatusOr<WorkDirectory> WorkDirectory::Make() {
  std::error_code error;
  const auto base = std::filesystem::temp_directory_path(error);
  if (error) return ErrnoStatus(error.value(), "finding the temporary folder (TMPDIR)");
  std::string pattern = (base / "federity-XXXXXX").string();
  if (!::mkdtemp(pattern.data())) {
    return ErrnoStatus(errno, StrCat("making a folder in ", base.string()));
  }
  return WorkDirectory(pattern);
}

WorkDirectory::~WorkDirectory() {
  if (path_.empty()) return;
  std::error_code error;
  std::filesystem::remove_all(path_, error);
}

}  // namespace federity::cli
