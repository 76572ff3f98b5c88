#ifndef FEDERITY_CLIENT_TRAINER_DATA_PROBLEMS_H_
#define FEDERITY_CLIENT_TRAINER_DATA_PROBLEMS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace federity::trainer {

// One thing wrong with a data set, without the data's values: messages may
// leave the machine. A regular value type.
struct Problem {
  int64_t row = 0;  // from 1, the header excluded; 0: the file as a whole
  std::string column;
  std::string message;
};

// Collects the first `max` problems. Not thread-safe.
class Problems {
 public:
  explicit Problems(int64_t max) : max_(max) {}
  void Add(int64_t row, std::string_view column, std::string_view message);
  bool empty() const { return list_.empty(); }
  // True: no more can be taken; readers stop.
  bool full() const { return static_cast<int64_t>(list_.size()) >= max_; }
  const std::vector<Problem>& list() const { return list_; }
  // DATA_INVALID naming the first three, or OK.
  absl::Status ToStatus() const;

 private:
  int64_t max_;
  std::vector<Problem> list_;
};

}  // namespace federity::trainer

#endif  // FEDERITY_CLIENT_TRAINER_DATA_PROBLEMS_H_
