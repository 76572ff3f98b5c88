#include "client/cli/figures.h"

#include <catch2/catch.hpp>
#include <cmath>

namespace federity::cli {
namespace {

using Catch::Matchers::Contains;

v1::Metrics Make(int64_t examples, double loss_sum, const std::vector<int64_t>& confusion) {
  v1::Metrics metrics;
  metrics.set_examples(examples);
  metrics.set_loss_sum(loss_sum);
  for (const int64_t count : confusion) metrics.add_confusion(count);
  return metrics;
}

TEST_CASE("Two classes: the second is the positive one", "[cli]") {
  const Figures figures = FiguresOf(Make(100, 50, {50, 10, 8, 32}));
  CHECK(figures.loss == Approx(0.5));
  CHECK(figures.accuracy == Approx(0.82));
  CHECK(figures.sensitivity == Approx(0.8));
  CHECK(figures.specificity == Approx(50.0 / 60));
  const auto json = ToJson(figures);
  CHECK(json["confusion"] == terminal::Json::parse("[[50,10],[8,32]]"));
  CHECK_THAT(ToText(figures, {"benign", "malignant"}),
             Contains("Sensitivity:  80.0 %") && Contains("malignant"));
}

TEST_CASE("Three classes have no sensitivity, a regression no accuracy", "[cli]") {
  const Figures three = FiguresOf(Make(6, 6, {1, 1, 0, 0, 2, 0, 1, 0, 1}));
  CHECK(three.accuracy == Approx(4.0 / 6));
  CHECK(std::isnan(three.sensitivity));
  const Figures regression = FiguresOf(Make(10, 5, {}));
  CHECK(std::isnan(regression.accuracy));
  CHECK(
      terminal::Dump(ToJson(regression), false) ==
      R"({"examples":10,"loss":0.5,"accuracy":null,"sensitivity":null,"specificity":null,"confusion":[]})");
}

TEST_CASE("Sums that make no sense give no figures", "[cli]") {
  CHECK(std::isnan(FiguresOf(Make(0, 0, {})).loss));
  CHECK(FiguresOf(Make(5, 1, {1, 2, 3})).classes == 0);  // not a square
  CHECK(std::isnan(FiguresOf(Make(5, 1, {0, 0, 0, 0})).accuracy));
  // A class without rows.
  CHECK(std::isnan(FiguresOf(Make(5, 1, {5, 0, 0, 0})).sensitivity));
}

}  // namespace
}  // namespace federity::cli
