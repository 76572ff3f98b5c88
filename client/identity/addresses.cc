#include "client/identity/addresses.h"

#include <algorithm>

#include "absl/random/distributions.h"
#include "common/rpc/address.h"

namespace federity::identity {
namespace {

bool Contains(const std::vector<std::string>& list, const std::string& text) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

}  // namespace

std::vector<std::string> MergeAddresses(const std::vector<std::string>& known,
                                        const std::vector<std::string>& named,
                                        const std::string& joined, absl::BitGenRef random) {
  if (named.empty()) return known;
  std::vector<std::string> merged;
  const auto takes = [&](const std::string& address) {
    return merged.size() + 1 < kMaxAddresses && !Contains(merged, address) &&
           rpc::ParseAddress(address).ok();
  };
  for (const std::string& address : known) {
    if (Contains(named, address) && takes(address)) merged.push_back(address);
  }
  for (const std::string& address : named) {
    if (!takes(address)) continue;
    const auto place = absl::Uniform<ptrdiff_t>(
        absl::IntervalClosed, random, 0, static_cast<ptrdiff_t>(merged.size()));
    merged.insert(merged.begin() + place, address);
  }
  if (!Contains(merged, joined)) merged.push_back(joined);
  return merged;
}

}  // namespace federity::identity
