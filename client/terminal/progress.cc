#include "client/terminal/progress.h"

#include <algorithm>

#include "absl/strings/str_format.h"
#include "client/terminal/format.h"
#include "client/terminal/text.h"
#include "common/base/strings.h"

namespace federity::terminal {
namespace {

constexpr absl::Duration kRedraw = absl::Milliseconds(100);
constexpr absl::Duration kPlainLine = absl::Seconds(10);
constexpr int kBarColumns = 24;
constexpr std::string_view kClearLine = "\r\x1b[K";

std::string Bar(double fraction) {
  const int full = static_cast<int>(fraction * kBarColumns);
  std::string bar = "[";
  for (int i = 0; i < kBarColumns; ++i) bar += i < full ? "█" : "░";
  return bar + "]";
}

}  // namespace

ProgressBar::ProgressBar(Output& output, std::string label, Unit unit, const Clock& clock)
    : output_(output),
      clock_(clock),
      label_(std::move(label)),
      unit_(unit),
      start_(clock.Now()),
      last_draw_(output.err_is_terminal ? absl::InfinitePast() : start_) {}

ProgressBar::~ProgressBar() {
  if (drawn_) output_.err << kClearLine << std::flush;
}

std::string ProgressBar::Figures(int64_t done, int64_t total, absl::Time now) const {
  const double seconds = absl::ToDoubleSeconds(now - start_);
  const double rate = seconds > 0.5 ? static_cast<double>(done - start_done_) / seconds : 0;
  std::string text;
  if (unit_ == Unit::kBytes) {
    text = StrCat("  ", FormatBytes(done), " of ", FormatBytes(total));
    if (rate > 0) text += StrCat("  ", FormatBytes(static_cast<int64_t>(rate)), "/s");
  }
  if (rate > 0 && done < total) {
    const auto left = absl::Seconds(static_cast<double>(total - done) / rate);
    text += StrCat("  ", FormatElapsed(left), " left");
  }
  return text;
}

void ProgressBar::Update(int64_t done, int64_t total) {
  total = std::max<int64_t>(total, 1);
  done = std::clamp<int64_t>(done, 0, total);
  if (start_done_ < 0) start_done_ = done;
  const absl::Time now = clock_.Now();
  if (now - last_draw_ < (output_.err_is_terminal ? kRedraw : kPlainLine)) return;
  last_draw_ = now;
  const double fraction = static_cast<double>(done) / static_cast<double>(total);
  const std::string percent = absl::StrFormat("%3.0f %%", 100 * fraction);
  const std::string figures = Figures(done, total, now);
  if (output_.err_is_terminal) {
    output_.err << kClearLine
                << Truncate(StrCat(label_, "  ", Bar(fraction), " ", percent, figures),
                            output_.width - 1)
                << std::flush;
    drawn_ = true;
  } else {
    output_.err << label_ << ": " << percent << figures << '\n' << std::flush;
  }
}

void LiveLines::Show(const std::vector<std::string>& lines) {
  // Up over the old lines, clear to the end of the screen, write the new ones.
  // None may wrap or scroll away: the cursor could not come back to it.
  if (shown_ > 0) output_.out << "\x1b[" << shown_ << "A\r\x1b[J";
  const auto room = static_cast<size_t>(std::max(output_.height - 1, 2));
  shown_ = std::min(lines.size(), room);
  const size_t whole = lines.size() > room ? room - 1 : lines.size();
  for (size_t i = 0; i < whole; ++i) {
    output_.out << Truncate(lines[i], output_.width - 1) << '\n';
  }
  if (whole < lines.size()) output_.out << "… " << lines.size() - whole << " more\n";
  output_.out << std::flush;
}

}  // namespace federity::terminal
