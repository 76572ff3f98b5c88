#include "common/rpc/join_link.h"

#include "absl/strings/ascii.h"
#include "common/base/encoding.h"
#include "common/base/errors.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "common/rpc/address.h"

namespace federity::rpc {
namespace {

constexpr std::string_view kScheme = "federity://";
constexpr std::string_view kVersion = "/j1/";
constexpr size_t kFingerprintBytes = 32;
constexpr size_t kPayloadBytes = 1 + kFingerprintBytes + kJoinSecretSize;

// Never shows the link: it holds a secret.
absl::Status Refuse(std::string_view why) {
  return InvalidArgument("link", StrCat("this is not a join link: ", why,
                                        ". Copy the whole link, from federity:// to its end."));
}

}  // namespace

std::string FormatJoinLink(const JoinLink& link) {
  std::string payload(1, static_cast<char>(link.kind));
  payload.append(link.ca_fingerprint.view()).append(link.secret);
  return StrCat(kScheme, link.address, kVersion, Base64UrlEncode(payload));
}

absl::StatusOr<JoinLink> ParseJoinLink(std::string_view text) {
  std::string_view rest = ToStd(absl::StripAsciiWhitespace(ToAbsl(text)));
  if (rest.substr(0, kScheme.size()) != kScheme)
    return Refuse("it does not start with federity://");
  rest.remove_prefix(kScheme.size());
  const size_t slash = rest.find('/');
  if (slash == std::string_view::npos) return Refuse("it ends after the address");
  JoinLink link;
  link.address = std::string(rest.substr(0, slash));
  if (const auto address = ParseAddress(link.address); !address.ok())
    return Refuse(ToStd(address.status().message()));
  rest.remove_prefix(slash);
  if (rest.substr(0, kVersion.size()) != kVersion)
    return Refuse("it is of a version that this program does not know (only /j1/)");
  const auto payload = Base64UrlDecode(rest.substr(kVersion.size()));
  if (!payload || payload->size() != kPayloadBytes)
    return Refuse("its last part is damaged or incomplete");
  const int kind = static_cast<unsigned char>(payload->front());
  if (kind != v1::MEMBER_KIND_PERSON && kind != v1::MEMBER_KIND_AGENT)
    return Refuse("it is for a kind of member that this program does not know");
  link.kind = static_cast<v1::MemberKind>(kind);
  FEDERITY_ASSIGN_OR_RETURN(link.ca_fingerprint,
                            crypto::DigestFromBytes(payload->substr(1, kFingerprintBytes)));
  link.secret = payload->substr(1 + kFingerprintBytes);
  return link;
}

}  // namespace federity::rpc
