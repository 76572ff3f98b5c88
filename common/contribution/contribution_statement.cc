#include "common/contribution/contribution_statement.h"

#include "common/base/encoding.h"
#include "common/base/strings.h"

namespace federity::contribution {

std::string BuildContributionStatement(std::string_view name,
                                       const crypto::Digest& base_commit_digest,
                                       const crypto::Digest& plan_digest,
                                       const crypto::Digest& delta_digest, int64_t examples) {
  return StrCat(name, base_commit_digest.view(), plan_digest.view(), delta_digest.view(),
                BigEndian64(static_cast<unsigned long long>(examples)));
}

}  // namespace federity::contribution
