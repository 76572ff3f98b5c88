#ifndef FEDERITY_SERVER_API_COMMIT_SERVICE_H_
#define FEDERITY_SERVER_API_COMMIT_SERVICE_H_

#include <grpcpp/grpcpp.h>

#include "common/crypto/secret.h"
#include "federity/v1/commits.grpc.pb.h"
#include "server/api/dispatcher.h"
#include "server/api/task_queue.h"
#include "server/blobs/blob_store.h"

namespace federity::api {

// federity.v1.CommitService. What it is given must outlive it; it must outlive its
// calls (the server is shut down first). A push reads its weights from end to end
// on one of a few threads of the service's own: many can't take gRPC's, so that
// all other calls go on. Thread-safe.
class CommitService final : public v1::CommitService::CallbackService {
 public:
  CommitService(Dispatcher& dispatcher, blobs::BlobStore& blobs, const crypto::Secret& key_file)
      : dispatcher_(dispatcher), blobs_(blobs), key_file_(key_file) {}

  grpc::ServerUnaryReactor* CreateCommit(grpc::CallbackServerContext* context,
                                         const v1::CreateCommitRequest* request,
                                         v1::Commit* response) override;
  grpc::ServerUnaryReactor* GetCommit(grpc::CallbackServerContext* context,
                                      const v1::GetCommitRequest* request,
                                      v1::Commit* response) override;
  grpc::ServerUnaryReactor* ListCommits(grpc::CallbackServerContext* context,
                                        const v1::ListCommitsRequest* request,
                                        v1::ListCommitsResponse* response) override;
  grpc::ServerWriteReactor<v1::DownloadCommitResponse>* DownloadCommit(
      grpc::CallbackServerContext* context, const v1::DownloadCommitRequest* request) override;
  grpc::ServerUnaryReactor* RevertCommit(grpc::CallbackServerContext* context,
                                         const v1::RevertCommitRequest* request,
                                         v1::Commit* response) override;
  grpc::ServerUnaryReactor* SetTag(grpc::CallbackServerContext* context,
                                   const v1::SetTagRequest* request, v1::Tag* response) override;
  grpc::ServerUnaryReactor* ListTags(grpc::CallbackServerContext* context,
                                     const v1::ListTagsRequest* request,
                                     v1::ListTagsResponse* response) override;
  grpc::ServerUnaryReactor* DeleteTag(grpc::CallbackServerContext* context,
                                      const v1::DeleteTagRequest* request,
                                      google::protobuf::Empty* response) override;

 private:
  static constexpr int kPushThreads = 2;

  grpc::Status Push(grpc::CallbackServerContext* context, const v1::CreateCommitRequest& request,
                    v1::Commit* response);

  Dispatcher& dispatcher_;
  blobs::BlobStore& blobs_;
  const crypto::Secret& key_file_;
  TaskQueue pushes_{kPushThreads};
};

}  // namespace federity::api

#endif  // FEDERITY_SERVER_API_COMMIT_SERVICE_H_
