#ifndef FEDERITY_SERVER_API_REPOSITORY_SERVICE_H_
#define FEDERITY_SERVER_API_REPOSITORY_SERVICE_H_

#include <grpcpp/grpcpp.h>

#include "common/crypto/secret.h"
#include "federity/v1/repositories.grpc.pb.h"
#include "server/api/dispatcher.h"
#include "server/blobs/blob_store.h"

namespace federity::api {

// federity.v1.RepositoryService. What it is given must outlive it. Thread-safe.
class RepositoryService final : public v1::RepositoryService::CallbackService {
 public:
  // `key_file` wraps the blob keys.
  RepositoryService(Dispatcher& dispatcher, blobs::BlobStore& blobs, const crypto::Secret& key_file)
      : dispatcher_(dispatcher), blobs_(blobs), key_file_(key_file) {}

  grpc::ServerUnaryReactor* CreateRepository(grpc::CallbackServerContext* context,
                                             const v1::CreateRepositoryRequest* request,
                                             v1::Repository* response) override;
  grpc::ServerUnaryReactor* GetRepository(grpc::CallbackServerContext* context,
                                          const v1::GetRepositoryRequest* request,
                                          v1::Repository* response) override;
  grpc::ServerUnaryReactor* ListRepositories(grpc::CallbackServerContext* context,
                                             const v1::ListRepositoriesRequest* request,
                                             v1::ListRepositoriesResponse* response) override;
  grpc::ServerUnaryReactor* DeleteRepository(grpc::CallbackServerContext* context,
                                             const v1::DeleteRepositoryRequest* request,
                                             google::protobuf::Empty* response) override;

 private:
  Dispatcher& dispatcher_;
  blobs::BlobStore& blobs_;
  const crypto::Secret& key_file_;
};

}  // namespace federity::api

#endif  // FEDERITY_SERVER_API_REPOSITORY_SERVICE_H_
