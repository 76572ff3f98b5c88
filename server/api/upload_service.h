#ifndef FEDERITY_SERVER_API_UPLOAD_SERVICE_H_
#define FEDERITY_SERVER_API_UPLOAD_SERVICE_H_

#include <grpcpp/grpcpp.h>

#include "common/crypto/secret.h"
#include "federity/v1/uploads.grpc.pb.h"
#include "server/api/dispatcher.h"
#include "server/api/upload_stream.h"
#include "server/blobs/blob_store.h"
#include "server/repositories/uploads.h"

namespace federity::api {

// federity.v1.UploadService. What it is given must outlive it; it must outlive
// its streams (the server is shut down first). Thread-safe.
class UploadService final : public v1::UploadService::CallbackService {
 public:
  UploadService(Dispatcher& dispatcher, blobs::BlobStore& blobs, const crypto::Secret& key_file,
                repositories::UploadLimits limits = {})
      : environment_{
            .dispatcher = dispatcher, .blobs = blobs, .key_file = key_file, .limits = limits} {}

  grpc::ServerUnaryReactor* CreateUpload(grpc::CallbackServerContext* context,
                                         const v1::CreateUploadRequest* request,
                                         v1::Upload* response) override;
  grpc::ServerUnaryReactor* GetUpload(grpc::CallbackServerContext* context,
                                      const v1::GetUploadRequest* request,
                                      v1::Upload* response) override;
  grpc::ServerReadReactor<v1::WriteUploadRequest>* WriteUpload(grpc::CallbackServerContext* context,
                                                               v1::Upload* response) override;

 private:
  UploadEnvironment environment_;
};

}  // namespace federity::api

#endif  // FEDERITY_SERVER_API_UPLOAD_SERVICE_H_
