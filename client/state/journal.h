#ifndef FEDERITY_CLIENT_STATE_JOURNAL_H_
#define FEDERITY_CLIENT_STATE_JOURNAL_H_

#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "common/base/clock.h"

namespace federity::state {

// What happened on this machine, for its operator: one JSON object a line, in a
// file that is moved to FILE.1 when it is full, so that both stay bounded.
// Best effort: a journal that can't be written stops nothing (the failure goes
// to the program's log). Thread-safe.
class Journal {
 public:
  explicit Journal(std::filesystem::path file, const Clock& clock = Clock::System(),
                   int64_t max_bytes = 1 << 20)
      : file_(std::move(file)), clock_(clock), max_bytes_(max_bytes) {}

  // `event` is one word ("joined", "approved", "trained", "uploaded",
  // "accepted", "refused", "failed", …); `repository` as people write it.
  void Append(std::string_view event, std::string_view repository, std::string_view text);
  // The last `count` entries, oldest first: {"time","event","repository","text"}.
  // Lines that do not read (a torn last one) are left out.
  std::vector<nlohmann::json> Tail(size_t count) const;

 private:
  const std::filesystem::path file_;
  const Clock& clock_;
  const int64_t max_bytes_;
  mutable absl::Mutex mutex_;
};

}  // namespace federity::state

#endif  // FEDERITY_CLIENT_STATE_JOURNAL_H_
