#include "client/trainer/data/sampling.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <numeric>
#include <vector>

namespace federity::trainer {
namespace {

TEST_CASE("Random is xoshiro256** seeded by splitmix64") {
  // From the reference implementations, seed 0.
  Random random(0);
  CHECK(random.Next() == 0x99ec5f36cb75f2b4);
  CHECK(random.Next() == 0xbf6e1f784956452a);
  CHECK(random.Next() == 0x1a5f849d4933e6e0);
}

TEST_CASE("Below is within its bound and near uniform") {
  Random random(7);
  std::vector<int> counts(10);
  for (int i = 0; i < 100'000; ++i) ++counts[random.Below(10)];
  for (const int count : counts) CHECK(std::abs(count - 10'000) < 600);
}

TEST_CASE("The hold-out depends on the number of rows alone") {
  const Split first = SplitHoldout(100, 0.2);
  const Split second = SplitHoldout(100, 0.2);
  CHECK(first.holdout == second.holdout);
  CHECK(first.holdout.size() == 20);
  CHECK(first.train.size() == 80);
  std::vector<int64_t> all = first.train;
  all.insert(all.end(), first.holdout.begin(), first.holdout.end());
  std::sort(all.begin(), all.end());
  std::vector<int64_t> expected(100);
  std::iota(expected.begin(), expected.end(), int64_t{0});
  CHECK(all == expected);
  // Scattered, not the file's end: files are often sorted by class.
  CHECK(first.holdout.front() < 20);
  CHECK(first.holdout.back() >= 80);
}

TEST_CASE("Small data sets keep a row on each side") {
  CHECK(SplitHoldout(2, 0.1).holdout.size() == 1);
  CHECK(SplitHoldout(2, 0.9).train.size() == 1);
  CHECK(SplitHoldout(1, 0.5).train.size() == 1);
  CHECK(SplitHoldout(10, 0.0).holdout.empty());
  CHECK(SplitHoldout(0, 0.5).train.empty());
}

}  // namespace
}  // namespace federity::trainer
