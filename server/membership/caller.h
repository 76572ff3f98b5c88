#ifndef FEDERITY_SERVER_MEMBERSHIP_CALLER_H_
#define FEDERITY_SERVER_MEMBERSHIP_CALLER_H_

#include <string>

#include "federity/v1/membership.pb.h"

namespace federity::membership {

// The member behind a call, read from its row for this very call.
struct Caller {
  std::string member_id;            // UUID
  std::string name;                 // resource name
  std::string organization;         // identifier
  std::string scope_organization;   // empty: the server
  std::string scope_repository_id;  // UUID; empty: the organisation's namespace
  v1::Role role = v1::ROLE_UNSPECIFIED;
  v1::MemberKind kind = v1::MEMBER_KIND_UNSPECIFIED;
  std::string contribution_key;

  // Owner ⊃ maintainer.
  bool is_maintainer() const { return role == v1::ROLE_OWNER || role == v1::ROLE_MAINTAINER; }
};

}  // namespace federity::membership

#endif  // FEDERITY_SERVER_MEMBERSHIP_CALLER_H_
