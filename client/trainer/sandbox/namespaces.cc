#include <sched.h>
#include <sys/prctl.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "client/trainer/sandbox/sandbox.h"

namespace federity::sandbox {

std::string Layer::ToString() const {
  if (active) return absl::StrCat(name, ": active", detail.empty() ? "" : ", ", detail);
  return absl::StrCat(name, ": not active (", detail, ")");
}

Layer ForbidNewPrivileges() {
  Layer layer{.name = "no new privileges"};
  layer.active = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
  if (!layer.active) layer.detail = std::strerror(errno);
  return layer;
}

Layer EnterNamespaces() {
  Layer layer{.name = "network namespace"};
  if (unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWIPC) == 0) {
    layer.active = true;
    layer.detail = "no interface";
    return layer;
  }
  const int error = errno;
  // Some distributions forbid user namespaces; root needs none.
  if (unshare(CLONE_NEWNET | CLONE_NEWIPC) == 0) {
    layer.active = true;
    layer.detail = "no interface, without a user namespace";
    return layer;
  }
  layer.detail = std::strerror(error);
  return layer;
}

}  // namespace federity::sandbox
