#ifndef FEDERITY_CLIENT_TERMINAL_PROGRESS_H_
#define FEDERITY_CLIENT_TERMINAL_PROGRESS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "client/terminal/output.h"
#include "common/base/clock.h"

namespace federity::terminal {

// How far long work is: a bar that is redrawn on a terminal, elsewhere a plain
// line every ten seconds; silent for what is done at once. Written to
// Output::err. The output must outlive it. Not thread-safe.
class ProgressBar {
 public:
  enum class Unit { kBytes, kFraction };  // kFraction: `total` is all of it

  ProgressBar(Output& output, std::string label, Unit unit, const Clock& clock = Clock::System());
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;
  // Takes the bar away.
  ~ProgressBar();

  // May be called as often as one likes; draws ten times a second at most.
  void Update(int64_t done, int64_t total);
  // Replaces the label; drawn with the next update.
  void SetLabel(std::string label) { label_ = std::move(label); }

 private:
  std::string Figures(int64_t done, int64_t total, absl::Time now) const;

  Output& output_;
  const Clock& clock_;
  std::string label_;
  const Unit unit_;
  const absl::Time start_;
  absl::Time last_draw_;
  int64_t start_done_ = -1;  // resumed transfers do not start at nothing
  bool drawn_ = false;
};

// Lines that replace the ones shown before. REQUIRES: Output::out is a terminal.
class LiveLines {
 public:
  explicit LiveLines(Output& output) : output_(output) {}
  void Show(const std::vector<std::string>& lines);
  // The next Show leaves what is there and begins below it.
  void Keep() { shown_ = 0; }

 private:
  Output& output_;
  size_t shown_ = 0;
};

}  // namespace federity::terminal

#endif  // FEDERITY_CLIENT_TERMINAL_PROGRESS_H_
