#include "server/api/upload_service.h"

#include "common/base/errors.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "server/api/converters_repositories.h"

namespace federity::api {

// Content that is here already is sent all the same: an upload that were
// complete at once would tell that somebody has it.
grpc::ServerUnaryReactor* UploadService::CreateUpload(grpc::CallbackServerContext* context,
                                                      const v1::CreateUploadRequest* request,
                                                      v1::Upload* response) {
  return environment_.dispatcher.HandleUnary(
      context, "/federity.v1.UploadService/CreateUpload", *request, response,
      [this](Call& call, const v1::CreateUploadRequest& message, v1::Upload* out) -> absl::Status {
        repositories::NewUpload upload;
        upload.repository = call.repository().id;
        upload.member = call.caller().member_id;
        upload.size_bytes = message.size_bytes();
        upload.digest = message.digest();
        upload.now = call.now();
        FEDERITY_ASSIGN_OR_RETURN(
            const repositories::UploadRow row,
            repositories::CreateUpload(call.transaction(), upload, environment_.limits));
        *out = ToProto(row, call.repository().name, 0);
        call.AuditResource(out->name());
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* UploadService::GetUpload(grpc::CallbackServerContext* context,
                                                   const v1::GetUploadRequest* request,
                                                   v1::Upload* response) {
  return environment_.dispatcher.HandleUnary(
      context, "/federity.v1.UploadService/GetUpload", *request, response,
      [this](Call& call, const v1::GetUploadRequest& message, v1::Upload* out) -> absl::Status {
        const ResourceName& name = call.resource();
        if (name.collection != "uploads" || !name.subcollection.empty()) {
          return InvalidArgument("name", StrCat("\"", message.name(), "\" is no upload"));
        }
        FEDERITY_ASSIGN_OR_RETURN(
            const repositories::UploadRow row,
            repositories::GetUpload(call.transaction(), call.repository().id,
                                    call.caller().member_id, name.id, call.now()));
        *out = ToProto(row, call.repository().name,
                       environment_.blobs.PartialBytes(row.repository, row.id));
        return absl::OkStatus();
      });
}

grpc::ServerReadReactor<v1::WriteUploadRequest>* UploadService::WriteUpload(
    grpc::CallbackServerContext* context, v1::Upload* response) {
  return StartUpload(environment_, context, response);
}

}  // namespace federity::api
