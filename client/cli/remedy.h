#ifndef FEDERITY_CLIENT_CLI_REMEDY_H_
#define FEDERITY_CLIENT_CLI_REMEDY_H_

#include <string>

#include "absl/status/status.h"

namespace federity::cli {

// "error: what was wrong" and, where a command helps, "  try: …" below it.
std::string ErrorText(const absl::Status& status);

}  // namespace federity::cli

#endif  // FEDERITY_CLIENT_CLI_REMEDY_H_
