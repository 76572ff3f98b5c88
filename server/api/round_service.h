#ifndef FEDERITY_SERVER_API_ROUND_SERVICE_H_
#define FEDERITY_SERVER_API_ROUND_SERVICE_H_

#include <memory>

#include "federity/v1/rounds.grpc.pb.h"
#include "server/api/dispatcher.h"
#include "server/api/round_watch.h"
#include "server/api/task_queue.h"

namespace federity::api {

// Rounds as people see and start them. The dispatcher must outlive it; destroy
// it after its server. Thread-safe.
class RoundService final : public v1::RoundService::CallbackService {
 public:
  explicit RoundService(Dispatcher& dispatcher);
  ~RoundService() override;

  // Ends the open streams with SHUTTING_DOWN; new ones end at once.
  void Drain();

  grpc::ServerUnaryReactor* StartRound(grpc::CallbackServerContext* context,
                                       const v1::StartRoundRequest* request,
                                       v1::Round* response) override;
  grpc::ServerUnaryReactor* GetRound(grpc::CallbackServerContext* context,
                                     const v1::GetRoundRequest* request,
                                     v1::Round* response) override;
  grpc::ServerUnaryReactor* ListRounds(grpc::CallbackServerContext* context,
                                       const v1::ListRoundsRequest* request,
                                       v1::ListRoundsResponse* response) override;
  grpc::ServerUnaryReactor* CancelRound(grpc::CallbackServerContext* context,
                                        const v1::CancelRoundRequest* request,
                                        v1::Round* response) override;
  grpc::ServerWriteReactor<v1::WatchRoundResponse>* WatchRound(
      grpc::CallbackServerContext* context, const v1::WatchRoundRequest* request) override;

 private:
  Dispatcher& dispatcher_;
  TaskQueue tasks_;
  RoundWatches watches_;
};

}  // namespace federity::api

#endif  // FEDERITY_SERVER_API_ROUND_SERVICE_H_
