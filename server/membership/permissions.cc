#include "server/membership/permissions.h"

#include <string>

#include "common/base/errors.h"
#include "common/base/strings.h"
#include "server/membership/conversions.h"

namespace federity::membership {
namespace {

constexpr RoleSet kAdministrator = RoleBit(v1::ROLE_ADMINISTRATOR);
constexpr RoleSet kOwner = RoleBit(v1::ROLE_OWNER);
constexpr RoleSet kMaintainer = kOwner | RoleBit(v1::ROLE_MAINTAINER);
constexpr RoleSet kContributor = kMaintainer | RoleBit(v1::ROLE_CONTRIBUTOR);
// Whoever may read the model.
constexpr RoleSet kReader = kContributor | RoleBit(v1::ROLE_VIEWER);
// Whoever may know about it.
constexpr RoleSet kMember = kReader | RoleBit(v1::ROLE_AUDITOR);
constexpr RoleSet kAuditReader = kMaintainer | RoleBit(v1::ROLE_AUDITOR);
constexpr RoleSet kAnybody = kMember | kAdministrator;

constexpr ResourceSet kScope = kOrganizationScope | kRepositoryScope;

constexpr Permission kPermissions[] = {
    {.method = "/federity.v1.MembershipService/Join"},
    {.method = "/federity.v1.MembershipService/RenewCertificate"},
    {.method = "/federity.v1.MembershipService/GetCaller",
     .roles = kAnybody,
     .resources = kNoResource},
    {.method = "/federity.v1.MembershipService/CreateInvitation",
     .roles = kMaintainer | kAdministrator,
     .resources = kScope,
     .mutation = true},
    {.method = "/federity.v1.MembershipService/ListInvitations",
     .roles = kMaintainer | kAdministrator,
     .resources = kScope | kServerScope},
    {.method = "/federity.v1.MembershipService/RevokeInvitation",
     .roles = kMaintainer | kAdministrator,
     .resources = kScope | kServerScope,
     .mutation = true},
    {.method = "/federity.v1.MembershipService/ListMembers",
     .roles = kAnybody,
     .resources = kScope | kServerScope},
    {.method = "/federity.v1.MembershipService/SetMemberRole",
     .roles = kOwner,
     .resources = kScope,
     .mutation = true},
    {.method = "/federity.v1.MembershipService/RemoveMember",
     .roles = kOwner | kAdministrator,
     .resources = kScope | kServerScope,
     .administrators_on = kServerScope,
     .mutation = true,
     .self = true},

    {.method = "/federity.v1.RepositoryService/CreateRepository",
     .roles = kOwner,
     .resources = kOrganizationScope,
     .mutation = true},
    {.method = "/federity.v1.RepositoryService/GetRepository",
     .roles = kMember,
     .resources = kRepositoryScope},
    {.method = "/federity.v1.RepositoryService/ListRepositories",
     .roles = kMember,
     .resources = kNoResource},
    {.method = "/federity.v1.RepositoryService/DeleteRepository",
     .roles = kOwner,
     .resources = kRepositoryScope,
     .mutation = true},

    {.method = "/federity.v1.PlanService/GetPlan", .roles = kMember, .resources = kRepositoryScope},
    {.method = "/federity.v1.PlanService/ListPlans",
     .roles = kMember,
     .resources = kRepositoryScope},
    {.method = "/federity.v1.PlanService/SetPlan",
     .roles = kMaintainer,
     .resources = kRepositoryScope,
     .mutation = true},

    {.method = "/federity.v1.CommitService/CreateCommit",
     .roles = kMaintainer,
     .resources = kRepositoryScope,
     .mutation = true},
    {.method = "/federity.v1.CommitService/GetCommit",
     .roles = kMember,
     .resources = kRepositoryScope,
     .reads_model = true},
    {.method = "/federity.v1.CommitService/ListCommits",
     .roles = kMember,
     .resources = kRepositoryScope,
     .reads_model = true},
    {.method = "/federity.v1.CommitService/DownloadCommit",
     .roles = kReader,
     .resources = kRepositoryScope,
     .reads_model = true},
    {.method = "/federity.v1.CommitService/RevertCommit",
     .roles = kMaintainer,
     .resources = kRepositoryScope,
     .mutation = true},
    {.method = "/federity.v1.CommitService/SetTag",
     .roles = kMaintainer,
     .resources = kRepositoryScope,
     .mutation = true},
    {.method = "/federity.v1.CommitService/ListTags",
     .roles = kMember,
     .resources = kRepositoryScope},
    {.method = "/federity.v1.CommitService/DeleteTag",
     .roles = kMaintainer,
     .resources = kRepositoryScope,
     .mutation = true},

    {.method = "/federity.v1.RoundService/StartRound",
     .roles = kMaintainer,
     .resources = kRepositoryScope,
     .mutation = true},
    {.method = "/federity.v1.RoundService/GetRound",
     .roles = kMember,
     .resources = kRepositoryScope},
    {.method = "/federity.v1.RoundService/ListRounds",
     .roles = kMember,
     .resources = kRepositoryScope},
    {.method = "/federity.v1.RoundService/CancelRound",
     .roles = kMaintainer,
     .resources = kRepositoryScope,
     .mutation = true},
    {.method = "/federity.v1.RoundService/WatchRound",
     .roles = kMember,
     .resources = kRepositoryScope},

    {.method = "/federity.v1.ContributionService/WatchAssignments",
     .roles = kContributor,
     .resources = kRepositoryScope,
     .agents_only = true},
    {.method = "/federity.v1.ContributionService/ReportProgress",
     .roles = kContributor,
     .resources = kRepositoryScope,
     .agents_only = true},
    {.method = "/federity.v1.ContributionService/SubmitContribution",
     .roles = kContributor,
     .resources = kRepositoryScope,
     .mutation = true,
     .agents_only = true},
    {.method = "/federity.v1.ContributionService/AbandonContribution",
     .roles = kContributor,
     .resources = kRepositoryScope,
     .mutation = true,
     .agents_only = true},
    {.method = "/federity.v1.ContributionService/SubmitEvaluation",
     .roles = kContributor,
     .resources = kRepositoryScope,
     .mutation = true,
     .agents_only = true},
    {.method = "/federity.v1.ContributionService/GetContribution",
     .roles = kMember,
     .resources = kRepositoryScope},
    {.method = "/federity.v1.ContributionService/ListContributions",
     .roles = kMember,
     .resources = kRepositoryScope},

    {.method = "/federity.v1.UploadService/CreateUpload",
     .roles = kContributor,
     .resources = kRepositoryScope,
     .mutation = true},
    {.method = "/federity.v1.UploadService/GetUpload",
     .roles = kContributor,
     .resources = kRepositoryScope},
    {.method = "/federity.v1.UploadService/WriteUpload",
     .roles = kContributor,
     .resources = kRepositoryScope},

    {.method = "/federity.v1.StatisticsService/StartStatistics",
     .roles = kMaintainer,
     .resources = kRepositoryScope,
     .mutation = true},
    // Mean and standard deviation belong to the model: not for auditors, who
    // see their digest in every commit.
    {.method = "/federity.v1.StatisticsService/GetStatistics",
     .roles = kReader,
     .resources = kRepositoryScope},
    {.method = "/federity.v1.StatisticsService/SubmitStatistics",
     .roles = kContributor,
     .resources = kRepositoryScope,
     .mutation = true,
     .agents_only = true},
    {.method = "/federity.v1.StatisticsService/GetStandardisation",
     .roles = kReader,
     .resources = kRepositoryScope,
     .reads_model = true},

    {.method = "/federity.v1.ServerService/GetServerInfo",
     .roles = kAnybody,
     .resources = kNoResource},
    {.method = "/federity.v1.ServerService/ListAuditEvents",
     .roles = kAuditReader | kAdministrator,
     .resources = kServerScope | kScope,
     .administrators_on = kServerScope},
};

// The least role that suffices, for the message. Administrators act beside the
// others, never above them.
v1::Role LeastRole(RoleSet roles) {
  for (v1::Role role : {v1::ROLE_AUDITOR, v1::ROLE_VIEWER, v1::ROLE_CONTRIBUTOR,
                        v1::ROLE_MAINTAINER, v1::ROLE_OWNER}) {
    if (roles & RoleBit(role)) return role;
  }
  return v1::ROLE_ADMINISTRATOR;
}

}  // namespace

absl::Span<const Permission> AllPermissions() { return kPermissions; }

const Permission* FindPermission(std::string_view method) {
  for (const Permission& permission : kPermissions) {
    if (permission.method == method) return &permission;
  }
  return nullptr;
}

absl::Status CheckRole(const Permission& permission, const Caller& caller, ResourceSet resource,
                       bool self) {
  if (permission.self && self) return absl::OkStatus();
  const bool elsewhere =
      caller.role == v1::ROLE_ADMINISTRATOR && (permission.administrators_on & resource) == 0;
  if (elsewhere || (permission.roles & RoleBit(caller.role)) == 0) {
    std::string required(RoleName(LeastRole(permission.roles)));
    return Error(
        v1::ERROR_REASON_ROLE_REQUIRED,
        StrCat("This needs the role ", required, "; yours is ", RoleName(caller.role), "."),
        {{"required_role", required}});
  }
  if (permission.agents_only && caller.kind != v1::MEMBER_KIND_AGENT) {
    return Error(v1::ERROR_REASON_ROLE_REQUIRED,
                 "Only a federity-agent may do this; you joined as a person.",
                 {{"required_role", std::string(RoleName(LeastRole(permission.roles)))},
                  {"required_kind", "agent"}});
  }
  return absl::OkStatus();
}

bool MayInvite(v1::Role inviter, v1::Role invited) {
  switch (inviter) {
    case v1::ROLE_ADMINISTRATOR:
      return invited == v1::ROLE_OWNER;
    case v1::ROLE_OWNER:
      return (kMember & RoleBit(invited)) != 0;
    case v1::ROLE_MAINTAINER:
      return invited == v1::ROLE_CONTRIBUTOR || invited == v1::ROLE_VIEWER ||
             invited == v1::ROLE_AUDITOR;
    default:
      return false;
  }
}

}  // namespace federity::membership
