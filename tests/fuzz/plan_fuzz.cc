#include "common/plan/plan.h"
#include "tests/fuzz/fuzz_target.h"

namespace federity {

FUZZ_TARGET(plan) {
  const auto plan = ParsePlan(input);
  if (!plan.ok()) {
    FUZZ_CHECK(plan.status().message().size() < 4096);
    return;
  }
  const std::string text = FormatPlan(*plan);
  const auto again = ParsePlan(text);
  FUZZ_CHECK(again.ok());
  FUZZ_CHECK(*again == *plan);
  FUZZ_CHECK(FormatPlan(*again) == text);
  FUZZ_CHECK(PlanDifferences(*plan, *again).empty());
  FUZZ_CHECK(plan->input_size() > 0);
  (void)PlanWarnings(*plan);
}

}  // namespace federity
