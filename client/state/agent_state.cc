#include "client/state/agent_state.h"

#include "client/state/json_reader.h"
#include "common/base/errors.h"
#include "common/base/files.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"

namespace federity::state {
namespace {

using nlohmann::json;

constexpr int64_t kMaxFileBytes = 64 << 20;
constexpr int64_t kFormat = 1;

absl::Status Damaged(const std::filesystem::path& file, const absl::Status& cause) {
  return absl::DataLossError(
      StrCat("the agent's state file '", file.string(), "' is damaged (", ToStd(cause.message()),
             "); put back a copy of it, or move it away: memberships and keys stay, data sets and "
             "approvals then have to be added again"));
}

}  // namespace

absl::StatusOr<AgentState::Content> AgentState::Parse(std::string_view text) {
  FEDERITY_ASSIGN_OR_RETURN(const json value, ParseJsonObject(text));
  JsonReader reader(value);
  if (reader.Integer("format") != kFormat)
    reader.Fail("format", "is not 1; this agent may be older than the one that wrote it");
  Content content;
  content.paused = reader.Boolean("paused");
  for (const json& item : reader.Array("memberships")) {
    FEDERITY_ASSIGN_OR_RETURN(Membership membership, MembershipFromJson(item));
    const std::string id = membership.id;
    content.memberships.insert_or_assign(id, std::move(membership));
  }
  FEDERITY_RETURN_IF_ERROR(reader.status());
  return content;
}

absl::StatusOr<std::unique_ptr<AgentState>> AgentState::Open(const std::filesystem::path& file) {
  absl::StatusOr<std::string> text = ReadFile(file, kMaxFileBytes);
  if (absl::IsNotFound(text.status()))
    return std::unique_ptr<AgentState>(new AgentState(file, Content{}));
  if (absl::IsInvalidArgument(text.status())) return Damaged(file, text.status());
  FEDERITY_RETURN_IF_ERROR(text.status());
  absl::StatusOr<Content> content = Parse(*text);
  if (!content.ok()) return Damaged(file, content.status());
  return std::unique_ptr<AgentState>(new AgentState(file, *std::move(content)));
}

std::vector<Membership> AgentState::Memberships() const {
  absl::MutexLock lock(&mutex_);
  std::vector<Membership> all;
  for (const auto& [id, membership] : content_.memberships) all.push_back(membership);
  return all;
}

Membership AgentState::Get(std::string_view id) const {
  absl::MutexLock lock(&mutex_);
  const auto at = content_.memberships.find(id);
  if (at != content_.memberships.end()) return at->second;
  Membership membership;
  membership.id = std::string(id);
  return membership;
}

absl::Status AgentState::Update(std::string_view id,
                                absl::FunctionRef<absl::Status(Membership&)> change) {
  return Change([&](Content& content) {
    Membership& membership = content.memberships[std::string(id)];
    membership.id = std::string(id);
    return change(membership);
  });
}

absl::Status AgentState::Remove(std::string_view id) {
  return Change([&](Content& content) {
    content.memberships.erase(std::string(id));
    return absl::OkStatus();
  });
}

bool AgentState::paused() const {
  absl::MutexLock lock(&mutex_);
  return content_.paused;
}

absl::Status AgentState::SetPaused(bool paused) {
  return Change([&](Content& content) {
    content.paused = paused;
    return absl::OkStatus();
  });
}

void AgentState::OnChange(std::function<void()> listener) {
  absl::MutexLock lock(&listener_mutex_);
  listener_ = std::move(listener);
}

absl::Status AgentState::Change(absl::FunctionRef<absl::Status(Content&)> change) {
  {
    absl::MutexLock lock(&mutex_);
    Content content = content_;
    FEDERITY_RETURN_IF_ERROR(change(content));
    json value = {{"format", kFormat}, {"paused", content.paused}, {"memberships", json::array()}};
    for (const auto& [id, membership] : content.memberships)
      value["memberships"].push_back(ToJson(membership));
    FEDERITY_RETURN_IF_ERROR(WriteFileAtomically(file_, FormatJson(value) + "\n"));
    content_ = std::move(content);
  }
  absl::MutexLock lock(&listener_mutex_);
  if (listener_) listener_();
  return absl::OkStatus();
}

}  // namespace federity::state
