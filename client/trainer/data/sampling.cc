#include "client/trainer/data/sampling.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>
#include <utility>

namespace federity::trainer {

Random::Random(uint64_t seed) {
  for (uint64_t& word : state_) {  // splitmix64
    uint64_t z = seed += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    word = z ^ (z >> 31);
  }
}

uint64_t Random::Next() {
  const uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
  const uint64_t shifted = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= shifted;
  state_[3] = std::rotl(state_[3], 45);
  return result;
}

uint64_t Random::Below(uint64_t bound) {
  const uint64_t first_fair = -bound % bound;  // 2^64 mod bound: reject what is below
  uint64_t value = Next();
  while (value < first_fair) value = Next();
  return value % bound;
}

void Shuffle(std::vector<int64_t>& indices, Random& random) {
  for (size_t i = indices.size(); i > 1; --i) std::swap(indices[i - 1], indices[random.Below(i)]);
}

Split SplitHoldout(int64_t rows, double fraction) {
  // "federity" and a version, as a seed: changing it changes every hold-out.
  constexpr uint64_t kSeed = 0x6665646572697401;
  std::vector<int64_t> order(static_cast<size_t>(rows));
  std::iota(order.begin(), order.end(), int64_t{0});
  Random random(kSeed ^ static_cast<uint64_t>(rows));
  Shuffle(order, random);
  auto held = static_cast<int64_t>(std::floor(static_cast<double>(rows) * fraction));
  if (fraction > 0 && rows > 1) held = std::clamp<int64_t>(held, 1, rows - 1);
  Split split;
  split.holdout.assign(order.begin(), order.begin() + held);
  split.train.assign(order.begin() + held, order.end());
  std::sort(split.holdout.begin(), split.holdout.end());
  std::sort(split.train.begin(), split.train.end());
  return split;
}

}  // namespace federity::trainer
