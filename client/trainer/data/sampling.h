#ifndef FEDERITY_CLIENT_TRAINER_DATA_SAMPLING_H_
#define FEDERITY_CLIENT_TRAINER_DATA_SAMPLING_H_

#include <array>
#include <cstdint>
#include <vector>

namespace federity::trainer {

// xoshiro256** (Blackman and Vigna, public domain), seeded by splitmix64: the
// same sequence on every machine and with every LibTorch. Not for secrets. Not
// thread-safe.
class Random {
 public:
  explicit Random(uint64_t seed);
  uint64_t Next();
  // Uniform below `bound` (> 0), without bias.
  uint64_t Below(uint64_t bound);

 private:
  std::array<uint64_t, 4> state_;
};

// Fisher-Yates.
void Shuffle(std::vector<int64_t>& indices, Random& random);

struct Split {
  std::vector<int64_t> train;    // ascending
  std::vector<int64_t> holdout;  // ascending
};

// Which rows are held out: a permutation that depends on the number of rows
// alone, so that the same rows are held out in every round whatever its seed,
// and no model was ever trained on them. floor(rows · fraction) rows, but one at
// least if fraction > 0 and rows > 1, and never all.
Split SplitHoldout(int64_t rows, double fraction);

}  // namespace federity::trainer

#endif  // FEDERITY_CLIENT_TRAINER_DATA_SAMPLING_H_
