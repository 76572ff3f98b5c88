#include "client/terminal/progress.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <sstream>

#include "client/terminal/text.h"

namespace federity::terminal {
namespace {

class ManualClock : public Clock {
 public:
  absl::Time Now() const override { return now_; }
  void Advance(absl::Duration duration) { now_ += duration; }

 private:
  absl::Time now_ = absl::FromUnixSeconds(1'800'000'000);
};

struct Screen {
  std::istringstream in;
  std::ostringstream out;
  std::ostringstream err;
  Output output{.in = in, .out = out, .err = err};
};

TEST_CASE("Off a terminal a short job says nothing, a long one a line now and then", "[terminal]") {
  Screen screen;
  ManualClock clock;
  {
    ProgressBar bar(screen.output, "uploading", ProgressBar::Unit::kBytes, clock);
    for (int i = 0; i < 50; ++i) {
      clock.Advance(absl::Milliseconds(100));
      bar.Update(i, 100);
    }
    CHECK(screen.err.str().empty());
    clock.Advance(absl::Seconds(6));
    bar.Update(50'000'000, 100'000'000);
  }
  const std::string text = screen.err.str();
  CHECK(std::count(text.begin(), text.end(), '\n') == 1);
  CHECK(text.find("uploading:  50 %") == 0);
  CHECK(text.find("50 MB of 100 MB") != std::string::npos);
  CHECK(text.find('\x1b') == std::string::npos);
}

TEST_CASE("On a terminal the bar fits the line and goes in the end", "[terminal]") {
  Screen screen;
  screen.output.err_is_terminal = true;
  screen.output.width = 60;
  ManualClock clock;
  {
    ProgressBar bar(screen.output, "downloading the weights", ProgressBar::Unit::kBytes, clock);
    for (int64_t i = 0; i <= 10; ++i) {
      clock.Advance(absl::Seconds(1));
      bar.Update(i * 1'000'000'000, 10'000'000'000);
    }
  }
  const std::string text = screen.err.str();
  CHECK(text.find('\n') == std::string::npos);
  CHECK(text.ends_with("\r\x1b[K"));
  std::istringstream frames(text);
  for (std::string frame; std::getline(frames, frame, '\r');) {
    const size_t clear = frame.find("\x1b[K");
    if (clear != std::string::npos) frame.erase(0, clear + 3);
    CHECK(DisplayWidth(frame) < 60);
  }
}

TEST_CASE("The bar survives figures that make no sense", "[terminal]") {
  Screen screen;
  screen.output.err_is_terminal = true;
  ProgressBar bar(screen.output, "x", ProgressBar::Unit::kFraction);
  bar.Update(5, 0);
  bar.Update(-3, -1);
  bar.Update(200, 100);
  SUCCEED();
}

TEST_CASE("Live lines go back over exactly what they drew", "[terminal]") {
  Screen screen;
  screen.output.out_is_terminal = true;
  screen.output.height = 5;
  LiveLines live(screen.output);
  live.Show({"one", "two"});
  CHECK(screen.out.str() == "one\ntwo\n");
  screen.out.str("");
  live.Show({"three"});
  CHECK(screen.out.str() == "\x1b[2A\r\x1b[Jthree\n");
  screen.out.str("");
  live.Keep();
  // More lines than the screen has would scroll out of the cursor's reach.
  live.Show({"1", "2", "3", "4", "5", "6"});
  CHECK(screen.out.str() == "1\n2\n3\n… 3 more\n");
  screen.out.str("");
  live.Show({"end"});
  CHECK(screen.out.str() == "\x1b[4A\r\x1b[Jend\n");
}

}  // namespace
}  // namespace federity::terminal
