#ifndef FEDERITY_CLIENT_TRAINER_DATA_EXAMPLES_H_
#define FEDERITY_CLIENT_TRAINER_DATA_EXAMPLES_H_

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "client/trainer/data/problems.h"
#include "client/trainer/data/readers.h"
#include "common/plan/plan.h"
#include "common/plan/standardisation.h"

namespace federity::trainer {

// Turns raw values into the model's input: (x - mean) / sd where there is a
// standardisation, a missing value into 0 (the mean), then clips to data.range
// and counts. Thread-safe apart from the count.
class InputTransform {
 public:
  // Empty vectors: no standardisation, except a fixed one of the plan.
  // DATA_INVALID if it is missing although the plan wants it, of the wrong size,
  // or has an sd that is not positive.
  static absl::StatusOr<InputTransform> Create(const Plan& plan, std::vector<double> mean,
                                               std::vector<double> sd);
  float Apply(size_t feature, double value);
  int64_t clipped() const { return clipped_; }

 private:
  std::vector<double> mean_;
  std::vector<double> sd_;
  size_t values_per_mean_ = 1;  // images: one mean a channel
  double low_ = 0;
  double high_ = 0;
  int64_t clipped_ = 0;
};

// Everything that a model is trained or measured on, in memory.
struct Examples {
  int64_t rows = 0;
  int64_t width = 0;          // values of a row
  std::vector<float> values;  // row-major
  std::vector<float> labels;  // class index or number
  int64_t clipped = 0;
};

// Reads all sources, one after the other. DATA_INVALID if anything is wrong
// with any row: what does not meet the plan is not trained on.
absl::StatusOr<Examples> LoadExamples(std::span<const DataSource> sources, const Plan& plan,
                                      InputTransform transform, const ReadProgress& progress);

// Rows that meet the plan and what is wrong with the others.
struct DataReport {
  int64_t rows = 0;
  std::vector<int64_t> class_counts;  // the plan's order; empty: regression
  int64_t clipped = 0;                // without federated standardisation, which is not known here
  std::vector<Problem> problems;
};
absl::StatusOr<DataReport> CheckSource(const DataSource& source, const Plan& plan,
                                       int64_t max_problems, const ReadProgress& progress);

// Sums over all rows before standardisation, missing values left out.
// DATA_INVALID as LoadExamples, and for more than kMaxStatisticsRows rows.
absl::StatusOr<std::vector<FixedFeatureSums>> SumSources(std::span<const DataSource> sources,
                                                         const Plan& plan,
                                                         const ReadProgress& progress);

}  // namespace federity::trainer

#endif  // FEDERITY_CLIENT_TRAINER_DATA_EXAMPLES_H_
