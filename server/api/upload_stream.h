#ifndef FEDERITY_SERVER_API_UPLOAD_STREAM_H_
#define FEDERITY_SERVER_API_UPLOAD_STREAM_H_

#include <grpcpp/grpcpp.h>

#include <cstdint>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "common/crypto/secret.h"
#include "federity/v1/uploads.pb.h"
#include "server/api/dispatcher.h"
#include "server/api/task_queue.h"
#include "server/blobs/blob_store.h"
#include "server/repositories/uploads.h"

namespace federity::api {

// The open writer of each upload that is being streamed. The newest stream of an
// upload takes the writer over; the one before finds out at its next message.
// So a client that lost its connection goes on at once, however long the dead
// connection takes to be noticed. Thread-safe.
class UploadWriters {
 public:
  struct Slot {
    absl::Mutex mutex;
    uint64_t holder ABSL_GUARDED_BY(mutex) = 0;  // counts takeovers
    std::unique_ptr<blobs::BlobWriter> writer ABSL_GUARDED_BY(mutex);
  };

  std::shared_ptr<Slot> Find(const std::string& upload);
  // Forgets the slot where no other stream has it.
  void Release(const std::string& upload, std::shared_ptr<Slot> slot);

 private:
  absl::Mutex mutex_;
  absl::flat_hash_map<std::string, std::shared_ptr<Slot>> slots_ ABSL_GUARDED_BY(mutex_);
};

// What all upload streams share; must outlive them.
struct UploadEnvironment {
  Dispatcher& dispatcher;
  blobs::BlobStore& blobs;
  const crypto::Secret& key_file;
  repositories::UploadLimits limits;
  UploadWriters writers;
  // For what may take long: reading again what a resumed upload has, and sealing.
  TaskQueue slow{4};
};

// Answers WriteUpload: a reactor that deletes itself, owns no thread and holds a
// message and a frame. Its first message and its end are handled by
// environment.slow, so that many large uploads leave gRPC's threads free.
grpc::ServerReadReactor<v1::WriteUploadRequest>* StartUpload(UploadEnvironment& environment,
                                                             grpc::CallbackServerContext* context,
                                                             v1::Upload* response);

}  // namespace federity::api

#endif  // FEDERITY_SERVER_API_UPLOAD_STREAM_H_
