#ifndef FEDERITY_SERVER_API_ASSIGNMENT_STREAM_H_
#define FEDERITY_SERVER_API_ASSIGNMENT_STREAM_H_

#include <grpcpp/grpcpp.h>

#include "federity/v1/contributions.pb.h"
#include "server/api/assignment_hub.h"
#include "server/api/dispatcher.h"

namespace federity::api {

// Answers WatchAssignments: a reactor that the hub feeds and that lives until
// gRPC is done with it. Events wait in a bounded queue; an agent that does not
// read them loses its stream (LIMIT_EXCEEDED) and gets what it needs from the
// next one. Dispatcher and hub must outlive the call.
grpc::ServerWriteReactor<v1::WatchAssignmentsResponse>* StartAssignmentStream(
    Dispatcher& dispatcher, AssignmentHub& hub, grpc::CallbackServerContext* context,
    const v1::WatchAssignmentsRequest& request);

}  // namespace federity::api

#endif  // FEDERITY_SERVER_API_ASSIGNMENT_STREAM_H_
