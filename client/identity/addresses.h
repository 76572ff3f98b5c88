#ifndef FEDERITY_CLIENT_IDENTITY_ADDRESSES_H_
#define FEDERITY_CLIENT_IDENTITY_ADDRESSES_H_

#include <string>
#include <vector>

#include "absl/random/bit_gen_ref.h"

namespace federity::identity {

inline constexpr size_t kMaxAddresses = 16;

// The order in which a member tries its coordinator's addresses, now that the
// coordinator has named them: what it names no more is forgotten, what was known
// keeps its order, what is new goes in at random places, so that members spread
// over the replicas. `joined`, the link's address, is kept as the last resort. What
// is no address is left out, and all beyond kMaxAddresses; of nothing named, `known`
// is left as it is.
std::vector<std::string> MergeAddresses(const std::vector<std::string>& known,
                                        const std::vector<std::string>& named,
                                        const std::string& joined, absl::BitGenRef random);

}  // namespace federity::identity

#endif  // FEDERITY_CLIENT_IDENTITY_ADDRESSES_H_
