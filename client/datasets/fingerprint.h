#ifndef FEDERITY_CLIENT_DATASETS_FINGERPRINT_H_
#define FEDERITY_CLIENT_DATASETS_FINGERPRINT_H_

#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "client/datasets/source.h"

namespace federity::datasets {

// What a data set was when its owner registered it. Stays on this machine. A
// regular value type.
struct Fingerprint {
  // "sha256:…": of the file as sha256sum gives it; for several files, over the
  // sorted lines "path size digest" of all of them.
  std::string digest;
  // Over names, sizes and times: costs no reading. Equal stamps mean an
  // unchanged data set; different ones mean that the digest must be looked at.
  std::string stamp;
  friend bool operator==(const Fingerprint&, const Fingerprint&) = default;
};

// Reads everything. `cancelled` (may be empty) is polled between blocks; true
// gives CANCELLED. RESOURCE_EXHAUSTED beyond kMaxFiles, ABORTED if a file
// changes meanwhile.
absl::StatusOr<Fingerprint> TakeFingerprint(const Source& source,
                                            const std::function<bool()>& cancelled = {});

// The stamp alone.
absl::StatusOr<std::string> TakeStamp(const Source& source);

inline constexpr size_t kMaxFiles = 2'000'000;

}  // namespace federity::datasets

#endif  // FEDERITY_CLIENT_DATASETS_FINGERPRINT_H_
