#ifndef FEDERITY_CLIENT_CLI_FIGURES_H_
#define FEDERITY_CLIENT_CLI_FIGURES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "client/terminal/json.h"
#include "federity/v1/commits.pb.h"
#include "federity/worker/v1/worker.pb.h"

namespace federity::cli {

// What the sums of an evaluation say. A figure that does not apply is NaN
// (accuracy of a regression, sensitivity with three classes).
struct Figures {
  int64_t examples = 0;
  double loss = 0;
  double accuracy = 0;
  double sensitivity = 0;  // two classes; the second is the positive one
  double specificity = 0;
  int64_t classes = 0;
  std::vector<int64_t> confusion;  // row-major, actual × predicted
};
Figures FiguresOf(const v1::Metrics& metrics);
Figures FiguresOf(const worker::v1::Metrics& metrics);

// {"examples", "loss", "accuracy", "sensitivity", "specificity", "confusion"}.
terminal::Json ToJson(const Figures& figures);
// The lines below a title; `class_names` may be empty.
std::string ToText(const Figures& figures, const std::vector<std::string>& class_names);

}  // namespace federity::cli

#endif  // FEDERITY_CLIENT_CLI_FIGURES_H_
