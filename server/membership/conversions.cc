#include "server/membership/conversions.h"

#include "common/base/utf8.h"

namespace federity::membership {

std::string_view RoleName(v1::Role role) {
  switch (role) {
    case v1::ROLE_ADMINISTRATOR:
      return "administrator";
    case v1::ROLE_OWNER:
      return "owner";
    case v1::ROLE_MAINTAINER:
      return "maintainer";
    case v1::ROLE_CONTRIBUTOR:
      return "contributor";
    case v1::ROLE_VIEWER:
      return "viewer";
    case v1::ROLE_AUDITOR:
      return "auditor";
    default:
      return "none";
  }
}

std::string_view KindName(v1::MemberKind kind) {
  switch (kind) {
    case v1::MEMBER_KIND_PERSON:
      return "person";
    case v1::MEMBER_KIND_AGENT:
      return "agent";
    default:
      return "none";
  }
}

bool IsUuid(std::string_view text) {
  if (text.size() != 36) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (i == 8 || i == 13 || i == 18 || i == 23) {
      if (c != '-') return false;
    } else if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) {
      return false;
    }
  }
  return true;
}

bool IsPlainText(std::string_view text, size_t max_bytes) {
  if (text.size() > max_bytes) return false;
  while (!text.empty()) {
    const CodePoint point = DecodeUtf8(text);
    if (!point.valid || IsControl(point.value)) return false;
    text.remove_prefix(point.size);
  }
  return true;
}

void SetTimestamp(absl::Time time, google::protobuf::Timestamp* timestamp) {
  const int64_t seconds = absl::ToUnixSeconds(time);
  timestamp->set_seconds(seconds);
  timestamp->set_nanos(
      static_cast<int32_t>(absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(seconds))));
}

absl::Time FromTimestamp(const google::protobuf::Timestamp& timestamp) {
  return absl::FromUnixSeconds(timestamp.seconds()) + absl::Nanoseconds(timestamp.nanos());
}

}  // namespace federity::membership
