#ifndef FEDERITY_CLIENT_AGENT_RUNNER_H_
#define FEDERITY_CLIENT_AGENT_RUNNER_H_

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "client/agent/cancellation.h"
#include "client/agent/context.h"
#include "client/agent/model_cache.h"
#include "client/agent/progress_reporter.h"
#include "client/agent/work_queue.h"
#include "common/plan/plan.h"

namespace federity::agent {

// Does one piece of work from beginning to end, after checking that it is what
// the operator approved. Whatever goes wrong is told to the coordinator in
// words without paths or values, and in full to the local journal; nothing stops
// the agent. Not thread-safe.
class Runner {
 public:
  // Both must outlive it.
  Runner(Context& context, ProgressReporter& progress)
      : context_(context),
        progress_(progress),
        cache_(context.paths.cache(), context.config.cache_bytes) {}

  struct Outcome {
    absl::Status status;
    // What to try again later; nothing if it is settled or the process ends.
    std::optional<Work> again;
  };
  Outcome Run(const Work& work, const Cancellation& cancellation);

 private:
  // A run of the trainer, ready to start.
  struct Prepared {
    state::Membership membership;
    Plan plan;
    worker::v1::Request request;
  };

  Outcome Train(const Work& work, const v1::TrainingAssignment& assignment,
                const Cancellation& cancellation);
  Outcome GiveUp(const Work& work, const absl::Status& status, const Cancellation& cancellation);
  Outcome DeliverEntry(const Work& work, const Cancellation& cancellation);
  absl::StatusOr<Prepared> PrepareTraining(const Work& work,
                                           const v1::TrainingAssignment& assignment,
                                           const Cancellation& cancellation);
  absl::Status TrainToOutbox(const Work& work, const v1::TrainingAssignment& assignment,
                             const Cancellation& cancellation);
  absl::Status CountRound(const Work& work);
  Outcome SumStatistics(const Work& work, const v1::StatisticsAssignment& assignment,
                        const Cancellation& cancellation);
  absl::StatusOr<v1::SubmitStatisticsRequest> ComputeSums(
      const Work& work, const v1::StatisticsAssignment& assignment,
      const Cancellation& cancellation);
  Outcome Evaluate(const Work& work, const v1::EvaluationAssignment& assignment,
                   const Cancellation& cancellation);
  absl::StatusOr<v1::Metrics> Measure(const Work& work, const v1::EvaluationAssignment& assignment,
                                      const Cancellation& cancellation);

  // The membership as it is now, if it is ready and its data are unchanged.
  absl::StatusOr<state::Membership> Admit(const Work& work, const Cancellation& cancellation);
  absl::StatusOr<ModelCache::Files> Download(const Work& work, const v1::Commit& commit,
                                             const Cancellation& cancellation);
  absl::StatusOr<worker::v1::Result> RunTrainer(const Work& work,
                                                const worker::v1::Request& request,
                                                const Cancellation& cancellation);
  void FillResources(const state::Membership& membership, worker::v1::Resources& resources) const;
  void Note(const Work& work, std::string_view event, std::string_view text);

  Context& context_;
  ProgressReporter& progress_;
  ModelCache cache_;
  std::string device_;  // what the last trainer ran on
};

}  // namespace federity::agent

#endif  // FEDERITY_CLIENT_AGENT_RUNNER_H_
