#ifndef FEDERITY_SERVER_API_ASSIGNMENT_EVENTS_H_
#define FEDERITY_SERVER_API_ASSIGNMENT_EVENTS_H_

#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "federity/v1/contributions.pb.h"
#include "server/rounds/assignments.h"

namespace federity::api {

// The events of WatchAssignments, from what a repository has for its agents.

v1::RepositoryState ToRepositoryState(const rounds::RepositoryWork& work);
// `contribution` is the member's, by id.
v1::TrainingAssignment ToTraining(const rounds::RepositoryWork::Training& training,
                                  std::string_view contribution);
v1::StatisticsAssignment ToStatistics(const rounds::RepositoryWork::Statistics& statistics);
// REQUIRES: work.head and work.evaluation are set.
v1::EvaluationAssignment ToEvaluation(const rounds::RepositoryWork& work);

}  // namespace federity::api

#endif  // FEDERITY_SERVER_API_ASSIGNMENT_EVENTS_H_
