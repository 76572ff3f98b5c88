#include "client/cli/remedy.h"

#include <string_view>

#include "client/terminal/text.h"
#include "common/base/errors.h"
#include "common/base/strings.h"

namespace federity::cli {
namespace {

struct Remedy {
  ErrorReason reason;
  std::string_view text;
};

// What a person at the command line can do; the message itself says what was
// wrong.
constexpr Remedy kRemedies[] = {
    {v1::ERROR_REASON_CERTIFICATE_REQUIRED, "federity whoami, to see what you are a member of"},
    {v1::ERROR_REASON_MEMBER_REMOVED, "ask an owner for a new invitation"},
    {v1::ERROR_REASON_ROLE_REQUIRED, "ask an owner: federity member set-role"},
    {v1::ERROR_REASON_VERSION_UNSUPPORTED, "install the coordinator's version of federity"},
    {v1::ERROR_REASON_INVITATION_INVALID,
     "check that the whole link was copied, or ask for a new one"},
    {v1::ERROR_REASON_HEAD_MOVED, "look at the new head with federity log, then repeat this"},
    {v1::ERROR_REASON_STORAGE_FULL, "ask the coordinator's administrator for disk space"},
    {v1::ERROR_REASON_ROUND_IN_PROGRESS, "federity round watch, or federity round cancel"},
    {v1::ERROR_REASON_TOO_FEW_MEMBERS,
     "federity member list, to see who has not approved or is offline"},
    {v1::ERROR_REASON_STANDARDISATION_MISSING, "federity stats run"},
    {v1::ERROR_REASON_SHUTTING_DOWN, "wait a minute and repeat this"},
};

std::string_view RemedyFor(const absl::Status& status) {
  for (const Remedy& remedy : kRemedies) {
    if (remedy.reason == ReasonOf(status)) return remedy.text;
  }
  // The transport's own errors carry no reason.
  if (absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status)) return "federity doctor";
  return {};
}

}  // namespace

std::string ErrorText(const absl::Status& status) {
  const std::string_view message = ToStd(status.message());
  std::string text = StrCat(
      "error: ", message.empty() ? "unknown" : terminal::ShortNames(terminal::Printable(message)));
  const std::string_view remedy = RemedyFor(status);
  // Many a message says what to do itself.
  if (!remedy.empty() && message.find(remedy) == message.npos) {
    text += StrCat("\n  try: ", remedy);
  }
  return text;
}

}  // namespace federity::cli
