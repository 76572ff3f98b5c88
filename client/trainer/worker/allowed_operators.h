#ifndef FEDERITY_CLIENT_TRAINER_WORKER_ALLOWED_OPERATORS_H_
#define FEDERITY_CLIENT_TRAINER_WORKER_ALLOWED_OPERATORS_H_

#include <string_view>

namespace federity::trainer {

// True if a model's graph may contain the node kind ("aten::conv2d",
// "prim::If"): mathematics on tensors, views of them, and control flow. What is
// not on the list is refused: files, printing, Python, threads, other
// namespaces, and operators that reinterpret or resize storage. An in-place
// variant ("aten::add_") is allowed with its base. Thread-safe.
bool IsAllowedOperator(std::string_view kind);

}  // namespace federity::trainer

#endif  // FEDERITY_CLIENT_TRAINER_WORKER_ALLOWED_OPERATORS_H_
