#include "client/agent/session.h"

#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "common/base/errors.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"

namespace federity::agent {

absl::StatusOr<std::unique_ptr<Session>> Session::Open(Options options) {
  const state::Paths paths{options.config.state_dir};
  std::error_code error;
  if (!std::filesystem::exists(paths.directory, error)) {
    if (error) return ErrnoStatus(error.value(), paths.directory.string());
    if (!options.create)
      return absl::NotFoundError(
          StrCat("there is no agent's state in '", paths.directory.string(),
                 "'; run `federity-agent join LINK` first, or give --state-dir DIR"));
    FEDERITY_RETURN_IF_ERROR(MakeDirectories(paths.directory));
  }
  std::unique_ptr<Session> session(new Session());
  if (options.exclusive) {
    absl::StatusOr<FileDescriptor> lock = LockFile(paths.lock());
    if (!lock.ok()) return Annotate(lock.status(), "another federity-agent is at work");
    session->lock_ = *std::move(lock);
  }
  FEDERITY_ASSIGN_OR_RETURN(session->identities_,
                            identity::IdentityStore::Open(paths.directory));
  FEDERITY_ASSIGN_OR_RETURN(session->state_, state::AgentState::Open(paths.state()));
  FEDERITY_ASSIGN_OR_RETURN(session->outbox_, state::Outbox::Open(paths.outbox()));
  session->journal_ = std::make_unique<state::Journal>(paths.journal());
  session->context_.emplace(Context{.paths = paths,
                                    .config = std::move(options.config),
                                    .identities = *session->identities_,
                                    .state = *session->state_,
                                    .outbox = *session->outbox_,
                                    .journal = *session->journal_,
                                    .run_job = std::move(options.run_job)});
  return session;
}

absl::Status BecomeOwnerOf(const std::filesystem::path& directory) {
  struct stat info {};
  if (geteuid() != 0 || stat(directory.c_str(), &info) != 0 || info.st_uid == 0)
    return absl::OkStatus();
  const passwd* user = getpwuid(info.st_uid);
  const int groups =
      user != nullptr ? initgroups(user->pw_name, info.st_gid) : setgroups(0, nullptr);
  if (groups != 0 || setgid(info.st_gid) != 0 || setuid(info.st_uid) != 0)
    return ErrnoStatus(errno, StrCat("becoming the owner of '", directory.string(), "'"));
  return absl::OkStatus();
}

}  // namespace federity::agent
