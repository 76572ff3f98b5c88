#ifndef FEDERITY_COMMON_CONTRIBUTION_CONTRIBUTION_STATEMENT_H_
#define FEDERITY_COMMON_CONTRIBUTION_CONTRIBUTION_STATEMENT_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "common/crypto/digest.h"

namespace federity::contribution {

// What a contributor signs with its contribution key, under this label, when it
// hands in an update. Agent and coordinator build it from what each knows, so a
// signature binds the update to its round, base, plan and weight.
inline constexpr std::string_view kContributionLabel = "federity/contribution/v1";

// name ‖ base commit digest ‖ plan digest ‖ delta digest ‖ examples. Digests are
// 32 raw bytes, examples 8 bytes big endian; all but the name have fixed length,
// so that the bytes read back in one way only.
std::string BuildContributionStatement(std::string_view name,
                                       const crypto::Digest& base_commit_digest,
                                       const crypto::Digest& plan_digest,
                                       const crypto::Digest& delta_digest, int64_t examples);

}  // namespace federity::contribution

#endif  // FEDERITY_COMMON_CONTRIBUTION_CONTRIBUTION_STATEMENT_H_
