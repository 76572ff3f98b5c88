#ifndef FEDERITY_CLIENT_TRAINER_WORKER_GRAPH_CHECK_H_
#define FEDERITY_CLIENT_TRAINER_WORKER_GRAPH_CHECK_H_

#include <string>
#include <vector>

#include "absl/status/status.h"

namespace torch::jit {
struct Module;
}

namespace federity::trainer {

// Walks every node that a loaded module could ever run - the methods, hooks and
// functions of all its types, with all sub-blocks - without running any.
// MODEL_REFUSED naming the first operator that is not allowed, and its line.
absl::Status CheckGraphs(const torch::jit::Module& module);

// Operators (dropout, batch_norm) that a trace recorded in evaluation mode: they
// will not train. REQUIRES: CheckGraphs was OK.
std::vector<std::string> OperatorsFixedToEvaluation(const torch::jit::Module& module);

}  // namespace federity::trainer

#endif  // FEDERITY_CLIENT_TRAINER_WORKER_GRAPH_CHECK_H_
