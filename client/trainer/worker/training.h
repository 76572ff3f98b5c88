#ifndef FEDERITY_CLIENT_TRAINER_WORKER_TRAINING_H_
#define FEDERITY_CLIENT_TRAINER_WORKER_TRAINING_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/trainer/data/examples.h"
#include "client/trainer/worker/model.h"
#include "common/plan/plan.h"

namespace federity::trainer {

// Fraction done and the mean loss so far (NaN if none).
using StepProgress = std::function<void(double fraction, double loss)>;

struct Measurement {
  int64_t examples = 0;
  double loss_sum = 0;
  std::vector<int64_t> confusion;  // row-major, actual × predicted; empty: regression
};

// Measures the model in evaluation mode on the given rows.
absl::StatusOr<Measurement> Measure(Model& model, const Plan& plan, const Examples& examples,
                                    const std::vector<int64_t>& rows, const StepProgress& progress);

struct TrainSettings {
  uint64_t seed = 0;
  int64_t epochs = 1;
  bool cuda = false;
};
struct TrainOutcome {
  double loss = 0;  // mean of the last epoch
  double seconds = 0;
};
// Trains the model in place: each epoch a new order of `rows`, drawn from the
// seed, in batches of plan.training.batch_size. A last batch of one row is left
// out (BatchNorm can't train on one) if there are others. TRAINING_DIVERGED when
// a loss is not finite. Repeats bit for bit for one seed, kernel and number of
// threads.
absl::StatusOr<TrainOutcome> TrainModel(Model& model, const Plan& plan, const Examples& examples,
                                        const std::vector<int64_t>& rows,
                                        const TrainSettings& settings,
                                        const StepProgress& progress);

// One step on two rows of random values, on the owner's machine: MODEL_REFUSED
// if it fails or the output does not fit the loss. Returns warnings. The model's
// weights are spoilt.
absl::StatusOr<std::vector<std::string>> DryRun(Model& model, const Plan& plan);

}  // namespace federity::trainer

#endif  // FEDERITY_CLIENT_TRAINER_WORKER_TRAINING_H_
