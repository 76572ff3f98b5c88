#ifndef FEDERITY_CLIENT_AGENT_DATASET_WATCH_H_
#define FEDERITY_CLIENT_AGENT_DATASET_WATCH_H_

#include <functional>
#include <string_view>

#include "absl/status/status.h"
#include "client/agent/context.h"

namespace federity::agent {

// Whether a membership's data sets still are what their owner registered. A
// data set whose files were only touched is registered anew; one whose content
// differs, or that can't be read, is marked as changed, which stops training
// until `dataset refresh`. FAILED_PRECONDITION naming the first such data set
// by its label.
absl::Status CheckDatasetsUnchanged(Context& context, std::string_view identity,
                                    const std::function<bool()>& cancelled);

}  // namespace federity::agent

#endif  // FEDERITY_CLIENT_AGENT_DATASET_WATCH_H_
