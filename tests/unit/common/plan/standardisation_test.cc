#include "common/plan/standardisation.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <random>

#include "common/base/errors.h"

namespace federity {
namespace {

std::vector<double> RandomRows(size_t rows, double mean, double sd, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal(mean, sd);
  std::vector<double> values(rows);
  for (double& value : values) value = normal(random);
  return values;
}

TEST_CASE("Sums are rounded half to even in units of 2^-20", "[plan]") {
  const double unit = std::ldexp(1.0, -20);
  const auto sums = ComputeFeatureSums({0.5 * unit, 1.5 * unit, -0.5 * unit, -1.5 * unit, 3.0}, 1);
  REQUIRE(sums.size() == 1);
  CHECK(sums[0].sum == std::to_string(0 + 2 + 0 - 2 + (3 << 20)));
  CHECK(sums[0].sum_of_squares == std::to_string(9 << 20));
  CHECK(sums[0].count == 5);
}

TEST_CASE("Missing values are not counted", "[plan]") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const auto sums = ComputeFeatureSums({1.0, nan, 2.0, 5.0}, 2);
  CHECK(sums[0].count == 2);
  CHECK(sums[0].sum == std::to_string(3 << 20));
  CHECK(sums[1].count == 1);
  CHECK(sums[1].sum == std::to_string(5 << 20));
  CHECK(ComputeFeatureSums({}, 3).size() == 3);
  CHECK(ComputeFeatureSums({}, 0).empty());
}

TEST_CASE("Mean and deviation are those of the pooled rows", "[plan]") {
  for (const double mean : {0.0, 1.0, -37.5, 2020.0, 1e6}) {
    for (const double sd : {0.5, 3.0, 100.0}) {
      // Rounding to 2^-20 shows in the variance as 2^-20·mean: docs/formats.
      if (mean >= 1e6 && sd < 100.0) continue;
      INFO(mean << " ± " << sd);
      const std::vector<double> rows = RandomRows(1000, mean, sd, 5);
      double sum = 0.0;
      for (const double row : rows) sum += row;
      double squares = 0.0;
      for (const double row : rows) squares += (row - sum / 1000) * (row - sum / 1000);
      const std::vector<double> first(rows.begin(), rows.begin() + 300);
      const std::vector<double> second(rows.begin() + 300, rows.end());
      const auto frozen =
          FreezeStandardisation({ComputeFeatureSums(first, 1), ComputeFeatureSums(second, 1)}, 1);
      REQUIRE(frozen.ok());
      CHECK(frozen->mean[0] == Approx(sum / 1000).epsilon(1e-6).margin(1e-6));
      CHECK(frozen->sd[0] == Approx(std::sqrt(squares / 1000)).epsilon(1e-3));
      CHECK(frozen->examples == 1000);
      CHECK(frozen->contributors == 2);
    }
  }
}

TEST_CASE("The result does not depend on the order of rows or contributors", "[plan]") {
  std::vector<double> a = RandomRows(600, 3.0, 2.0, 1);
  const std::vector<double> b = RandomRows(400, -1.0, 5.0, 2);
  const auto frozen =
      FreezeStandardisation({ComputeFeatureSums(a, 2), ComputeFeatureSums(b, 2)}, 2);
  REQUIRE(frozen.ok());
  std::reverse(a.begin(), a.end());
  for (size_t i = 0; i < a.size(); i += 2) std::swap(a[i], a[i + 1]);  // rows again, reversed
  const auto other = FreezeStandardisation({ComputeFeatureSums(b, 2), ComputeFeatureSums(a, 2)}, 2);
  REQUIRE(other.ok());
  CHECK(*frozen == *other);
  CHECK(StandardisationDigest(*frozen) == StandardisationDigest(*other));
}

TEST_CASE("A constant feature gets the deviation 1", "[plan]") {
  for (const double value : {0.0, 0.1, -1e-3, 1.0 / 3.0, 1234.567, 1e6}) {
    const auto frozen =
        FreezeStandardisation({ComputeFeatureSums(std::vector<double>(50, value), 1)}, 1);
    REQUIRE(frozen.ok());
    CHECK(frozen->sd[0] == 1.0);
    CHECK(frozen->mean[0] == Approx(value).margin(1e-6));
  }
}

TEST_CASE("Sums that no rows have are refused", "[plan]") {
  const auto status_of = [](const FixedFeatureSums& sums) {
    return FreezeStandardisation({{sums}}, 1).status();
  };
  CHECK(status_of({"10", "1048576000", 3}).ok());
  CHECK(status_of({"0", "0", 3}).ok());
  for (const FixedFeatureSums& bad : std::vector<FixedFeatureSums>{
           {"", "0", 1},
           {"x", "0", 1},
           {"1.5", "10", 1},
           {"+1", "10", 1},
           {"-0", "10", 1},
           {"01", "10", 1},
           {" 1", "10", 1},
           {"1", "-1", 1},
           {"1", "0x10", 1},
           {"1267650600228229401496703205377", "1267650600228229401496703205376", 1},  // 2^100 + 1
           {"99999999999999999999999999999999999999999", "0", 1},
           {"1", "1", -1},
           {"1", "1", (int64_t{1} << 40) + 1},
           {"1", "1", 0},
           {"0", "0", 0},
           {"1073741824", "1", 1},  // the sum of 1024 with hardly any squares
           {"-1267650600228229401496703205376", "1", 1},
       }) {
    INFO(bad.sum << " " << bad.sum_of_squares << " " << bad.count);
    CHECK(absl::IsInvalidArgument(status_of(bad)));
  }
  const FixedFeatureSums good{"0", "1048576", 2};
  CHECK_FALSE(FreezeStandardisation({{good}, {good, good}}, 1).ok());
  CHECK_FALSE(FreezeStandardisation({}, 1).ok());
  CHECK(FreezeStandardisation({{good}, {{"0", "0", 0}}}, 1).ok());
}

TEST_CASE("The largest sums neither wrap nor crash", "[plan]") {
  const std::string limit = "1267650600228229401496703205376";
  const FixedFeatureSums largest{limit, limit, int64_t{1} << 40};
  const FixedFeatureSums negative{"-" + limit, limit, int64_t{1} << 40};
  for (const size_t contributors : {1, 2, 1000}) {
    // Σ over many contributors passes 2^100, which only each alone may not.
    std::vector<std::vector<FixedFeatureSums>> all(contributors, {largest});
    static_cast<void>(FreezeStandardisation(all, 1));
    all.push_back({negative});
    static_cast<void>(FreezeStandardisation(all, 1));
  }
  const double huge = std::numeric_limits<double>::max();
  const double infinite = std::numeric_limits<double>::infinity();
  const auto sums = ComputeFeatureSums({huge, -huge, infinite, -infinite, huge}, 1);
  CHECK(sums[0].count == 5);
  CHECK_FALSE(FreezeStandardisation({sums}, 1).ok());
}

TEST_CASE("The digest is golden and covers every value", "[plan]") {
  const StandardisationValues values{{0.5, -0.1}, {1.0, 2.5}, 100, 3};
  CHECK(StandardisationDigest(values) ==
        crypto::Sha256("federity/standardisation/v1\n0.5 1\n-0.10000000000000001 2.5\n100 3\n"));
  for (int i = 0; i < 5; ++i) {
    StandardisationValues other = values;
    if (i == 0) other.mean[1] = std::nextafter(-0.1, 0.0);
    if (i == 1) other.sd[0] = std::nextafter(1.0, 2.0);
    if (i == 2) other.examples = 101;
    if (i == 3) other.contributors = 4;
    if (i == 4) std::swap(other.mean[0], other.mean[1]);
    CHECK(StandardisationDigest(other) != StandardisationDigest(values));
  }
}

}  // namespace
}  // namespace federity
