#include "server/rounds/metrics_check.h"

#include <cmath>

#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/base/errors.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"

namespace federity::rounds {
namespace {

absl::Status Invalid(std::string_view message) {
  return Error(v1::ERROR_REASON_METRICS_INVALID, message);
}

// Classes that the plan counts; 0 for regression.
int64_t ClassCount(const Plan& plan) {
  if (plan.training.loss == Plan::Loss::kMse) return 0;
  if (!plan.data.classes.empty()) return static_cast<int64_t>(plan.data.classes.size());
  return plan.training.loss == Plan::Loss::kBceWithLogits ? 2 : 0;
}

}  // namespace

absl::Status CheckExamples(int64_t examples) {
  if (examples >= 1 && examples <= kMaxExamples) return absl::OkStatus();
  return Invalid(
      StrCat("An update cannot stand for ", examples, " rows (1 to ", kMaxExamples, ")."));
}

absl::Status CheckMetrics(const v1::Metrics& metrics, const Plan& plan) {
  if (metrics.examples() < 0 || metrics.examples() > kMaxExamples) {
    return Invalid(StrCat("The metrics cannot stand for ", metrics.examples(), " rows."));
  }
  // A sum of losses is not negative; what rounding does to it is.
  const double slack = 1e-6 * static_cast<double>(metrics.examples());
  if (!std::isfinite(metrics.loss_sum()) || metrics.loss_sum() < -slack ||
      (metrics.examples() == 0 && metrics.loss_sum() != 0)) {
    return Invalid(StrCat("The loss of the base commit, summed over ", metrics.examples(),
                          " rows, cannot be ", metrics.loss_sum(), "."));
  }
  if (metrics.confusion().empty()) return absl::OkStatus();
  const int64_t classes = ClassCount(plan);
  if (metrics.confusion_size() != classes * classes) {
    return Invalid(StrCat("The confusion matrix has ", metrics.confusion_size(),
                          " counts, the plan's classes make ", classes * classes, "."));
  }
  int64_t sum = 0;
  for (const int64_t count : metrics.confusion()) {
    if (count < 0 || count > metrics.examples() - sum) {
      return Invalid(StrCat("The confusion matrix does not count ", metrics.examples(), " rows."));
    }
    sum += count;
  }
  if (sum == metrics.examples()) return absl::OkStatus();
  return Invalid(StrCat("The confusion matrix counts ", sum, " rows of ", metrics.examples(), "."));
}

std::string FormatConfusion(const google::protobuf::RepeatedField<int64_t>& confusion) {
  return StrCat("{", absl::StrJoin(confusion, ","), "}");
}

google::protobuf::RepeatedField<int64_t> ParseConfusion(const std::string& text) {
  google::protobuf::RepeatedField<int64_t> confusion;
  if (text.size() <= 2) return confusion;
  for (const absl::string_view part :
       absl::StrSplit(absl::string_view(text).substr(1, text.size() - 2), ',')) {
    int64_t value = 0;
    if (absl::SimpleAtoi(part, &value)) confusion.Add(value);
  }
  return confusion;
}

}  // namespace federity::rounds
