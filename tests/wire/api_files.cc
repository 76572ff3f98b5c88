#include "tests/wire/api_files.h"

#include <google/protobuf/message.h>

#include <filesystem>
#include <stdexcept>
#include <string>

#include "federity/v1/commits.pb.h"
#include "federity/v1/contributions.pb.h"
#include "federity/v1/errors.pb.h"
#include "federity/v1/membership.pb.h"
#include "federity/v1/plans.pb.h"
#include "federity/v1/repositories.pb.h"
#include "federity/v1/rounds.pb.h"
#include "federity/v1/server.pb.h"
#include "federity/v1/statistics.pb.h"
#include "federity/v1/uploads.pb.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace federity::testing {
namespace {

namespace fs = std::filesystem;
namespace pb = google::protobuf;

template <typename... Messages>
void Link() {
  (pb::LinkMessageReflection<Messages>(), ...);
}

}  // namespace

std::vector<const pb::FileDescriptor*> ApiFiles() {
  // One message a file, or the linker leaves the file out.
  Link<v1::Commit, v1::Contribution, v1::Member, v1::Plan, v1::Repository, v1::Round,
       v1::ServerInfo, v1::Standardisation, v1::Upload, google::rpc::ErrorInfo,
       google::rpc::Status>();
  v1::ErrorReason_descriptor();
  const fs::path root(FEDERITY_PROTO_DIR);
  std::vector<const pb::FileDescriptor*> files;
  for (const char* folder : {"federity/v1", "google/rpc"}) {
    for (const auto& entry : fs::directory_iterator(root / folder)) {
      const std::string name = fs::relative(entry.path(), root).string();
      files.push_back(pb::DescriptorPool::generated_pool()->FindFileByName(name));
      if (files.back() == nullptr) throw std::runtime_error(name + " is not linked: see Link");
    }
  }
  return files;
}

std::vector<const pb::MethodDescriptor*> ApiMethods() {
  std::vector<const pb::MethodDescriptor*> methods;
  for (const pb::FileDescriptor* file : ApiFiles()) {
    for (int i = 0; i < file->service_count(); ++i) {
      const pb::ServiceDescriptor* service = file->service(i);
      for (int j = 0; j < service->method_count(); ++j) methods.push_back(service->method(j));
    }
  }
  return methods;
}

}  // namespace federity::testing
