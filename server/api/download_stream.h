#ifndef FEDERITY_SERVER_API_DOWNLOAD_STREAM_H_
#define FEDERITY_SERVER_API_DOWNLOAD_STREAM_H_

#include <grpcpp/grpcpp.h>

#include "common/crypto/secret.h"
#include "federity/v1/commits.pb.h"
#include "server/api/dispatcher.h"
#include "server/blobs/blob_store.h"

namespace federity::api {

// Answers DownloadCommit: a reactor that deletes itself, owns no thread and
// holds a message and at most two frames. The arguments must outlive the call.
grpc::ServerWriteReactor<v1::DownloadCommitResponse>* StartDownload(
    Dispatcher& dispatcher, blobs::BlobStore& blobs, const crypto::Secret& key_file,
    grpc::CallbackServerContext* context, const v1::DownloadCommitRequest& request);

}  // namespace federity::api

#endif  // FEDERITY_SERVER_API_DOWNLOAD_STREAM_H_
