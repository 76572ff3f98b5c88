#ifndef FEDERITY_CLIENT_TRAINER_WORKER_WORKER_H_
#define FEDERITY_CLIENT_TRAINER_WORKER_WORKER_H_

#include "client/trainer/worker/model.h"

namespace federity::trainer {

// The trainer child, from the request on the socket to the result: opens the
// files, closes the sandbox around itself, runs the one job. Returns the exit
// status; the caller leaves by _exit, because little is allowed any more.
// REQUIRES: the process has one thread.
int RunWorker(int socket, const Model::LoadOptions& options);

}  // namespace federity::trainer

#endif  // FEDERITY_CLIENT_TRAINER_WORKER_WORKER_H_
