#include <algorithm>

#include "client/trainer/data/readers.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/fuzz/memory_file.h"

namespace federity::trainer {
namespace {

Plan ImagePlan() {
  Plan plan;
  plan.data.kind = Plan::DataKind::kImages;
  plan.data.shape = {1, 2, 2};
  plan.data.classes = {"no", "yes"};
  return plan;
}

}  // namespace

// The first byte says how many bytes of the rest are the file of labels.
FUZZ_TARGET(idx) {
  if (input.empty()) return;
  const size_t labels = std::min<size_t>(static_cast<uint8_t>(input[0]), input.size() - 1);
  const DataSource source{.format = "idx",
                          .file = fuzz::MemoryFile(input.substr(1 + labels)),
                          .labels = fuzz::MemoryFile(input.substr(1, labels))};
  static const Plan kPlan = ImagePlan();
  Problems problems(5);
  const auto consume = [](std::span<const double> values, double label) {
    FUZZ_CHECK(values.size() == 4 && (label == 0 || label == 1));
    for (const double value : values) FUZZ_CHECK(value >= 0 && value <= 1);
  };
  (void)ReadIdx(source, kPlan, consume, problems, {});
  FUZZ_CHECK(problems.list().size() <= 5);
}

}  // namespace federity::trainer
