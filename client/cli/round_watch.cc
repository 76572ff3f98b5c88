#include "client/cli/round_watch.h"

#include <utility>

#include "absl/time/clock.h"
#include "client/cli/round_view.h"
#include "client/terminal/progress.h"
#include "common/base/retry_backoff.h"
#include "common/base/strings.h"
#include "common/rpc/status_codec.h"
#include "federity/v1/rounds.grpc.pb.h"

namespace federity::cli {
namespace {

// Every call has a deadline; a stream that lives longer is opened again.
constexpr absl::Duration kStreamDeadline = absl::Hours(1);

class RoundScreen {
 public:
  explicit RoundScreen(CliContext& cli) : cli_(cli), live_(cli.output) {}

  void Show(const v1::Round& round) {
    if (std::exchange(lost_, false)) Remark("connected again");
    const absl::Time now = cli_.clock.Now();
    terminal::Output& output = cli_.output;
    if (output.json) {
      output.out << terminal::Dump(RoundJson(round), /*pretty=*/false) << '\n' << std::flush;
    } else if (output.out_is_terminal) {
      // A round that ended stays; the next one is drawn below it.
      if (std::exchange(shown_, round.name()) != round.name()) live_.Keep();
      live_.Show(RoundLines(round, now));
    } else {
      for (const std::string& line : log_.Changes(round, now)) output.Line(line);
    }
  }

  // Said once until something is heard again.
  void Lost() {
    if (!std::exchange(lost_, true)) Remark("connection lost; trying again");
  }

 private:
  // Below what is on the screen, which stays.
  void Remark(std::string_view text) {
    live_.Keep();
    cli_.output.Note(text);
  }

  CliContext& cli_;
  terminal::LiveLines live_;
  RoundLog log_;
  std::string shown_;
  bool lost_ = false;
};

}  // namespace

absl::StatusOr<int> WatchRound(CliContext& cli, const Session& session, std::string name,
                               absl::Duration patience) {
  v1::RoundService::Stub stub(session.channel());
  RoundScreen screen(cli);
  Backoff backoff(absl::Milliseconds(500), absl::Seconds(10));
  v1::Round last;
  absl::Time heard = absl::Now();
  while (true) {
    grpc::ClientContext context;
    identity::SetDeadline(context, kStreamDeadline);
    v1::WatchRoundRequest request;
    request.set_name(name);
    request.set_follow_series(true);
    const auto stream = stub.WatchRound(&context, request);
    v1::WatchRoundResponse response;
    while (stream->Read(&response)) {
      last = std::move(*response.mutable_round());
      name = last.name();
      heard = absl::Now();
      backoff.Reset();
      screen.Show(last);
    }
    const absl::Status status = rpc::FromGrpc(stream->Finish());
    if (status.ok() && HasEnded(last)) return last.state() == v1::Round::COMMITTED ? 0 : 1;
    // Nobody cancels here, so CANCELLED is a coordinator that drains.
    if (!status.ok() && !rpc::IsRetryable(status) && !absl::IsCancelled(status)) return status;
    if (absl::Now() - heard > patience) {
      return status.ok() ? absl::UnavailableError("the coordinator ends the stream at once")
                         : status;
    }
    screen.Lost();
    absl::SleepFor(backoff.Next());
  }
}

}  // namespace federity::cli
