#ifndef FEDERITY_CLIENT_TRAINER_WORKER_TORCH_ERRORS_H_
#define FEDERITY_CLIENT_TRAINER_WORKER_TORCH_ERRORS_H_

#include <c10/util/Exception.h>

#include <exception>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "client/trainer/failure.h"
#include "common/base/strings.h"

namespace federity::trainer {

// LibTorch's exceptions stop in the file that calls it.

// The message of LibTorch without backtrace and interpreter traceback: the
// line after the last "RuntimeError: ", at most 400 characters.
inline std::string TorchMessage(const std::exception& error) {
  const auto* torch_error = dynamic_cast<const c10::Error*>(&error);
  std::string text = torch_error != nullptr ? torch_error->what_without_backtrace() : error.what();
  constexpr std::string_view kMark = "RuntimeError: ";
  if (const size_t mark = text.rfind(kMark); mark != std::string::npos) {
    text.erase(0, mark + kMark.size());
  }
  const size_t first = text.find_first_not_of(" \n");
  text.erase(0, first == std::string::npos ? text.size() : first);
  text = text.substr(0, text.find('\n')).substr(0, 400);
  return text;
}

inline bool IsOutOfMemory(const std::exception& error) {
  if (dynamic_cast<const std::bad_alloc*>(&error) != nullptr) return true;
  const std::string_view text = error.what();
  for (const std::string_view sign :
       {"can't allocate memory", "not enough memory", "out of memory", "bad_alloc"}) {
    if (text.find(sign) != std::string_view::npos) return true;
  }
  return false;
}

// Runs `function` (returning absl::Status); an exception becomes OUT_OF_MEMORY or
// the status that `translate` makes of it.
template <typename Function, typename Translate>
absl::Status CatchTorch(Function&& function, Translate&& translate) {
  try {
    return function();
  } catch (const std::exception& error) {
    if (IsOutOfMemory(error)) {
      return Failure(kOutOfMemory,
                     "the memory limit was reached; a smaller batch_size or a larger limit helps");
    }
    return translate(error);
  } catch (...) {
    return Failure(kInternal, "LibTorch threw something that is no exception");
  }
}

}  // namespace federity::trainer

#endif  // FEDERITY_CLIENT_TRAINER_WORKER_TORCH_ERRORS_H_
