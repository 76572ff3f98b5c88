#include "common/plan/standardisation.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <random>

#include "common/base/encoding.h"

namespace federity {
namespace {

std::vector<double> RandomRows(size_t rows, double mean, double sd, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal(mean, sd);
  std::vector<double> values(rows);
  for (double& value : values) value = normal(random);
  return values;
}

// The digits to the right of `size` bytes, the others as `fill`.
std::string Word(size_t size, std::string digits, char fill = '0') {
  digits.insert(0, 2 * size - digits.size(), fill);
  return *HexDecode(digits);
}
FixedFeatureSums Raw(const std::string& sum, const std::string& squares, int64_t count) {
  return {Word(16, sum), Word(32, squares), count};
}
std::vector<FixedFeatureSums> Summed(const std::vector<double>& rows, size_t features = 1) {
  const auto sums = ComputeFeatureSums(rows, features);
  REQUIRE(sums.ok());
  return *sums;
}

TEST_CASE("Sums are exact in units of 2^-40, rounded half to even", "[plan]") {
  const double unit = 0x1p-40;
  const auto sums = Summed({0.5 * unit, 1.5 * unit, -0.5 * unit, -1.5 * unit, 3.0});
  REQUIRE(sums.size() == 1);
  CHECK(sums[0].sum == Word(16, "30000000000"));                       // 0 + 2 + 0 - 2 + 3·2^40
  CHECK(sums[0].sum_of_squares == Word(32, "900000000000000000008"));  // 4 + 4 + 9·2^80
  CHECK(sums[0].count == 5);
  CHECK(Summed({-3 * unit})[0].sum == Word(16, "d", 'f'));
}

TEST_CASE("Missing values are not counted", "[plan]") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const auto sums = Summed({1.0, nan, 2.0, 5.0}, 2);
  CHECK(sums[0].count == 2);
  CHECK(sums[0].sum == Word(16, "30000000000"));
  CHECK(sums[1].count == 1);
  CHECK(sums[1].sum == Word(16, "50000000000"));
  CHECK(Summed({}, 3).size() == 3);
  CHECK(Summed({}, 0).empty());
}

TEST_CASE("Mean and deviation are those of the pooled rows", "[plan]") {
  for (const double mean : {0.0, 1.0, -37.5, 2020.0, 1e6, -1e9}) {
    for (const double sd : {1e-6, 0.5, 1.0, 100.0, 1e6}) {
      INFO(mean << " ± " << sd);
      const std::vector<double> rows = RandomRows(1000, mean, sd, 5);
      long double sum = 0.0;
      for (const double row : rows) sum += row;
      long double squares = 0.0;
      for (const double row : rows) squares += (row - sum / 1000) * (row - sum / 1000);
      const std::vector<double> first(rows.begin(), rows.begin() + 300);
      const std::vector<double> second(rows.begin() + 300, rows.end());
      const auto frozen = FreezeStandardisation({Summed(first), Summed(second)}, 1);
      REQUIRE(frozen.ok());
      CHECK(frozen->mean[0] ==
            Approx(static_cast<double>(sum / 1000)).epsilon(1e-14).margin(1e-12));
      // One unit of rounding is a millionth of the smallest deviation here.
      CHECK(frozen->sd[0] == Approx(static_cast<double>(std::sqrt(squares / 1000))).epsilon(1e-7));
      CHECK(frozen->examples == 1000);
      CHECK(frozen->contributors == 2);
    }
  }
}

TEST_CASE("Frozen values are correctly rounded", "[plan]") {
  // Of -1 and 2: mean 1/2, sd 3/2; of 0, 0, 1: mean 1/3, sd √2/3.
  const auto halves = FreezeStandardisation({Summed({-1.0}), Summed({2.0})}, 1);
  REQUIRE(halves.ok());
  CHECK(halves->mean[0] == 0.5);
  CHECK(halves->sd[0] == 1.5);
  const auto thirds = FreezeStandardisation({Summed({0.0, 0.0, 1.0})}, 1);
  REQUIRE(thirds.ok());
  CHECK(thirds->mean[0] == 1.0 / 3.0);
  CHECK(thirds->sd[0] == Approx(std::sqrt(2.0) / 3.0).epsilon(1e-15));
  const auto negative = FreezeStandardisation({Summed({-0x1p44, -0x1p44, -0x1p44 + 1})}, 1);
  REQUIRE(negative.ok());
  CHECK(negative->mean[0] == -0x1p44 + 1.0 / 3.0);
  CHECK(negative->sd[0] == thirds->sd[0]);
}

TEST_CASE("The result does not depend on the order of rows or contributors", "[plan]") {
  std::vector<double> a = RandomRows(600, 3.0, 2.0, 1);
  const std::vector<double> b = RandomRows(400, -1.0, 5.0, 2);
  const auto frozen = FreezeStandardisation({Summed(a, 2), Summed(b, 2)}, 2);
  REQUIRE(frozen.ok());
  std::reverse(a.begin(), a.end());
  for (size_t i = 0; i < a.size(); i += 2) std::swap(a[i], a[i + 1]);  // rows again, reversed
  const auto other = FreezeStandardisation({Summed(b, 2), Summed(a, 2)}, 2);
  REQUIRE(other.ok());
  CHECK(*frozen == *other);
  CHECK(StandardisationDigest(*frozen) == StandardisationDigest(*other));
}

TEST_CASE("A constant feature gets the deviation 1", "[plan]") {
  for (const double value : {0.0, 0.1, -1e-3, 1.0 / 3.0, 1234.567, 1e6, 0x1p44}) {
    INFO(value);
    const auto frozen = FreezeStandardisation({Summed(std::vector<double>(50, value))}, 1);
    REQUIRE(frozen.ok());
    CHECK(frozen->sd[0] == 1.0);
    CHECK(frozen->mean[0] == Approx(value).margin(1e-12));
  }
  // What rounding makes of one value is constant too, two units apart are not.
  const double unit = 0x1p-40;
  CHECK(FreezeStandardisation({Summed({0.0, unit})}, 1)->sd[0] == 1.0);
  CHECK(FreezeStandardisation({Summed({0.0, 2 * unit})}, 1)->sd[0] == unit);
}

TEST_CASE("Values beyond the limit are refused by row and feature", "[plan]") {
  const double infinite = std::numeric_limits<double>::infinity();
  CHECK(ComputeFeatureSums({0x1p44, -0x1p44}, 2).ok());
  for (const double bad : {std::nextafter(0x1p44, infinite), -1e300, infinite, -infinite}) {
    const absl::Status status = ComputeFeatureSums({1.0, 2.0, 3.0, bad}, 2).status();
    CHECK(absl::IsInvalidArgument(status));
    CHECK_THAT(std::string(status.message()), Catch::Contains("row 2, feature 2"));
  }
}

TEST_CASE("Sums that no rows have are refused", "[plan]") {
  const auto status_of = [](const FixedFeatureSums& sums) {
    return FreezeStandardisation({{sums}}, 1).status();
  };
  CHECK(status_of(Raw("a", "22", 3)).ok());  // 3, 3, 4
  CHECK(status_of(Raw("0", "0", 3)).ok());
  const FixedFeatureSums good = Raw("1", "1", 1);
  for (const FixedFeatureSums& bad : std::vector<FixedFeatureSums>{
           {"", "", 1},
           {"", good.sum_of_squares, 1},
           {good.sum, "", 1},
           {good.sum, good.sum, 1},
           {good.sum + '\0', good.sum_of_squares, 1},
           {good.sum, good.sum_of_squares + '\0', 1},
           {good.sum, std::string(1 << 20, '\0'), 1},
           {std::string(1 << 20, '\0'), good.sum_of_squares, 1},
           {good.sum, good.sum_of_squares, -1},
           {good.sum, good.sum_of_squares, std::numeric_limits<int64_t>::min()},
           {good.sum, good.sum_of_squares, std::numeric_limits<int64_t>::max()},
           Raw("1", "1", kMaxStatisticsRows + 1),
           Raw("1", "1", 0),
           Raw("0", "1", 0),
           Raw("0", "0", 0),
           Raw("a", "21", 3),                                     // below the least, 100/3
           Raw("1000000000000000000001", "100000000000", 1),      // |X| above 2^84
           Raw(std::string("8") + std::string(31, '0'), "1", 1),  // the lowest int128
           {Word(16, "", 'f'), Word(32, "0"), 1},                 // -1 without squares
           {Word(16, "0"), Word(32, "", 'f'), 1},
           {Word(16, "", 'f'), Word(32, "", 'f'), kMaxStatisticsRows},
           Raw("0", std::string("1") + std::string(41, '0') + "1", 1)}) {  // above 2^168
    INFO(bad.sum.size() << " " << bad.sum_of_squares.size() << " " << bad.count);
    CHECK(absl::IsInvalidArgument(status_of(bad)));
  }
  CHECK_FALSE(FreezeStandardisation({{good}, {good, good}}, 1).ok());
  CHECK_FALSE(FreezeStandardisation({}, 1).ok());
  CHECK(FreezeStandardisation({{good}, {Raw("0", "0", 0)}}, 1).ok());
}

TEST_CASE("The largest sums do not overflow", "[plan]") {
  // 2^30 values of ±2^44: sums of ±2^114, squares of 2^198.
  const std::string squares = std::string("4") + std::string(49, '0');
  const FixedFeatureSums largest = Raw("4" + std::string(28, '0'), squares, kMaxStatisticsRows);
  const FixedFeatureSums lowest{Word(16, "c" + std::string(28, '0'), 'f'), Word(32, squares),
                                kMaxStatisticsRows};
  std::vector<std::vector<FixedFeatureSums>> all(1024, {largest});
  const auto constant = FreezeStandardisation(all, 1);
  REQUIRE(constant.ok());
  CHECK(constant->mean[0] == 0x1p44);
  CHECK(constant->sd[0] == 1.0);
  CHECK(constant->examples == kMaxStatisticsAllRows);
  for (size_t i = 0; i < all.size(); i += 2) all[i] = {lowest};
  const auto widest = FreezeStandardisation(all, 1);
  REQUIRE(widest.ok());
  CHECK(widest->mean[0] == 0.0);
  CHECK(widest->sd[0] == 0x1p44);
  all.push_back({Raw("0", "0", 1)});
  CHECK(absl::IsInvalidArgument(FreezeStandardisation(all, 1).status()));
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
