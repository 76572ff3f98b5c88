#ifndef FEDERITY_SERVER_MEMBERSHIP_CONVERSIONS_H_
#define FEDERITY_SERVER_MEMBERSHIP_CONVERSIONS_H_

#include <google/protobuf/timestamp.pb.h>

#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "federity/v1/membership.pb.h"

namespace federity::membership {

// Small translations between rows, messages and words, shared by all services.

// "maintainer" and "agent": how roles and kinds stand in messages and metadata.
std::string_view RoleName(v1::Role role);
std::string_view KindName(v1::MemberKind kind);

// 8-4-4-4-12 hexadecimal digits, lower case as we make them: what may be cast
// to uuid in a statement.
bool IsUuid(std::string_view text);

// One line of valid UTF-8 of at most `max_bytes` without control or invisible
// formatting characters (common/base/utf8.h): what people may write into names and
// messages, which must read as what they are.
bool IsPlainText(std::string_view text, size_t max_bytes);

void SetTimestamp(absl::Time time, google::protobuf::Timestamp* timestamp);
absl::Time FromTimestamp(const google::protobuf::Timestamp& timestamp);

}  // namespace federity::membership

#endif  // FEDERITY_SERVER_MEMBERSHIP_CONVERSIONS_H_
