#include "client/cli/remedy.h"

#include <catch2/catch.hpp>

#include "common/base/errors.h"

namespace federity::cli {
namespace {

TEST_CASE("An error says what was wrong and what to try", "[cli]") {
  CHECK(ErrorText(Error(v1::ERROR_REASON_MEMBER_REMOVED, "you were removed")) ==
        "error: you were removed\n  try: ask an owner for a new invitation");
  CHECK(ErrorText(NotFound("organizations/o/repositories/r")) ==
        "error: o/r does not exist, or you may not know that it does");
  CHECK(ErrorText(absl::UnavailableError("refused")) == "error: refused\n  try: federity doctor");
  CHECK(ErrorText(absl::InternalError("broken")) == "error: broken");
  CHECK(ErrorText(absl::InternalError("")) == "error: unknown");
}

TEST_CASE("A message that names the remedy is not repeated", "[cli]") {
  CHECK(ErrorText(Error(v1::ERROR_REASON_STANDARDISATION_MISSING, "run federity stats run o/r")) ==
        "error: run federity stats run o/r");
}

TEST_CASE("A coordinator's words can't steer the terminal", "[cli]") {
  const std::string text = ErrorText(absl::InternalError("a\x1b[2Jb\nc"));
  CHECK(text == "error: a\xEF\xBF\xBD[2Jb c");
}

}  // namespace
}  // namespace federity::cli
