#ifndef FEDERITY_COMMON_BASE_STATUS_MACROS_H_
#define FEDERITY_COMMON_BASE_STATUS_MACROS_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// FEDERITY_RETURN_IF_ERROR(expr): returns the status of `expr` unless it is OK.
#define FEDERITY_RETURN_IF_ERROR(expr)                              \
  do {                                                              \
    if (absl::Status federity_status_ = (expr); !federity_status_.ok()) \
      return federity_status_;                                      \
  } while (false)

// FEDERITY_ASSIGN_OR_RETURN(lhs, expr): assigns the value of a StatusOr, or
// returns its status.
#define FEDERITY_ASSIGN_OR_RETURN(lhs, expr) \
  FEDERITY_ASSIGN_OR_RETURN_(FEDERITY_CONCAT_(federity_value_, __LINE__), lhs, expr)
#define FEDERITY_ASSIGN_OR_RETURN_(value, lhs, expr) \
  auto value = (expr);                               \
  if (!value.ok()) return std::move(value).status(); \
  lhs = *std::move(value)
#define FEDERITY_CONCAT_(a, b) FEDERITY_CONCAT_2_(a, b)
#define FEDERITY_CONCAT_2_(a, b) a##b

#endif  // FEDERITY_COMMON_BASE_STATUS_MACROS_H_
