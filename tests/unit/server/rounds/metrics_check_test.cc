#include "server/rounds/metrics_check.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "common/base/errors.h"

namespace federity::rounds {
namespace {

Plan TwoClasses() {
  Plan plan;
  plan.data.features = {"x"};
  plan.data.classes = {"no", "yes"};
  return plan;
}

v1::Metrics Metrics(int64_t examples, double loss_sum, const std::vector<int64_t>& confusion) {
  v1::Metrics metrics;
  metrics.set_examples(examples);
  metrics.set_loss_sum(loss_sum);
  for (const int64_t count : confusion) metrics.add_confusion(count);
  return metrics;
}

TEST_CASE("Possible metrics pass", "[rounds]") {
  CHECK(CheckMetrics(Metrics(10, 3.5, {4, 1, 2, 3}), TwoClasses()).ok());
  CHECK(CheckMetrics(Metrics(0, 0, {}), TwoClasses()).ok());
  CHECK(CheckMetrics(Metrics(10, 3.5, {}), TwoClasses()).ok());
  CHECK(CheckExamples(1).ok());
}

TEST_CASE("Impossible metrics are refused", "[rounds]") {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  constexpr int64_t kHuge = std::numeric_limits<int64_t>::max();
  const std::vector<v1::Metrics> bad = {
      Metrics(10, kNan, {}),         Metrics(10, kInfinity, {}),
      Metrics(10, -1, {}),           Metrics(-1, 0, {}),
      Metrics(kHuge, 1, {}),         Metrics(0, 1, {}),
      Metrics(10, 1, {4, 1, 2, 2}),  Metrics(10, 1, {4, 1, 2, 4}),
      Metrics(10, 1, {-1, 5, 3, 3}), Metrics(10, 1, {kHuge, kHuge, kHuge, 13}),
      Metrics(10, 1, {10}),
  };
  for (const v1::Metrics& metrics : bad) {
    INFO(metrics.ShortDebugString());
    CHECK(ReasonOf(CheckMetrics(metrics, TwoClasses())) == v1::ERROR_REASON_METRICS_INVALID);
  }
  Plan regression = TwoClasses();
  regression.data.classes.clear();
  regression.training.loss = Plan::Loss::kMse;
  CHECK_FALSE(CheckMetrics(Metrics(10, 1, {10}), regression).ok());
  for (const int64_t examples : {int64_t{0}, int64_t{-5}, kHuge}) {
    CHECK(ReasonOf(CheckExamples(examples)) == v1::ERROR_REASON_METRICS_INVALID);
  }
}

TEST_CASE("Confusion counts survive the database's text", "[rounds]") {
  const v1::Metrics metrics = Metrics(10, 1, {4, 1, 2, 3});
  const std::string text = FormatConfusion(metrics.confusion());
  CHECK(text == "{4,1,2,3}");
  const auto parsed = ParseConfusion(text);
  CHECK(std::vector<int64_t>(parsed.begin(), parsed.end()) == std::vector<int64_t>{4, 1, 2, 3});
  CHECK(FormatConfusion({}) == "{}");
  CHECK(ParseConfusion("{}").empty());
}

}  // namespace
}  // namespace federity::rounds
