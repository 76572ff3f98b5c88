// The API's conventions, checked with protoc's own parser: the Debian-only twin
// of tests/extra/buf_lint.sh.

#include <google/protobuf/compiler/importer.h>
#include <google/protobuf/descriptor.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;
namespace pb = google::protobuf;

class Errors : public pb::compiler::MultiFileErrorCollector {
 public:
  void AddError(const std::string& file, int line, int, const std::string& message) override {
    FAIL_CHECK(file << ":" << line + 1 << ": " << message);
  }
};

// All files of federity/**, imported with their comments.
class Api {
 public:
  Api() {
    tree_.MapPath("", FEDERITY_PROTO_DIR);
    for (const char* dir : {"/usr/include", "/usr/local/include"}) tree_.MapPath("", dir);
    importer_ = std::make_unique<pb::compiler::Importer>(&tree_, &errors_);
    const fs::path root(FEDERITY_PROTO_DIR);
    for (const auto& entry : fs::recursive_directory_iterator(root / "federity")) {
      if (entry.path().extension() != ".proto") continue;
      const pb::FileDescriptor* file =
          importer_->Import(fs::relative(entry.path(), root).string());
      REQUIRE(file != nullptr);
      files_.push_back(file);
    }
    REQUIRE(files_.size() >= 9);
  }
  const std::vector<const pb::FileDescriptor*>& files() const { return files_; }

 private:
  pb::compiler::DiskSourceTree tree_;
  Errors errors_;
  std::unique_ptr<pb::compiler::Importer> importer_;
  std::vector<const pb::FileDescriptor*> files_;
};

template <typename Descriptor>
void CheckCommented(const Descriptor* element) {
  pb::SourceLocation location;
  INFO(element->full_name());
  REQUIRE(element->GetSourceLocation(&location));
  CHECK_FALSE((location.leading_comments + location.trailing_comments).empty());
}

bool Matches(const std::string& text, const char* pattern) {
  return std::regex_match(text, std::regex(pattern));
}

void CheckEnum(const pb::EnumDescriptor* type) {
  CheckCommented(type);
  for (int i = 0; i < type->value_count(); ++i) {
    CheckCommented(type->value(i));
    INFO(type->value(i)->full_name());
    CHECK(Matches(type->value(i)->name(), "[A-Z][A-Z0-9_]*"));
  }
  INFO(type->full_name());
  REQUIRE(type->FindValueByNumber(0) != nullptr);
  CHECK(Matches(type->FindValueByNumber(0)->name(), ".*UNSPECIFIED"));
}

void CheckMessage(const pb::Descriptor* message) {
  if (message->options().map_entry()) return;
  CheckCommented(message);
  for (int i = 0; i < message->field_count(); ++i) {
    CheckCommented(message->field(i));
    INFO(message->field(i)->full_name());
    CHECK(Matches(message->field(i)->name(), "[a-z][a-z0-9]*(_[a-z0-9]+)*"));
  }
  for (int i = 0; i < message->real_oneof_decl_count(); ++i) CheckCommented(message->oneof_decl(i));
  for (int i = 0; i < message->enum_type_count(); ++i) CheckEnum(message->enum_type(i));
  for (int i = 0; i < message->nested_type_count(); ++i) CheckMessage(message->nested_type(i));
}

bool HasString(const pb::Descriptor* message, const char* field) {
  const pb::FieldDescriptor* found = message->FindFieldByName(field);
  return found != nullptr && found->type() == pb::FieldDescriptor::TYPE_STRING;
}

// Reads, streams and what carries its own proof of freshness need no request_id.
bool NeedsRequestId(const pb::MethodDescriptor* method) {
  if (method->client_streaming() || method->server_streaming()) return false;
  for (const char* prefix : {"Get", "List", "Watch", "Download"}) {
    if (method->name().rfind(prefix, 0) == 0) return false;
  }
  return method->name() != "Join" && method->name() != "RenewCertificate" &&
         method->name() != "ReportProgress";
}

}  // namespace

TEST_CASE("Every element of the API is commented and named by convention", "[proto]") {
  Api api;
  for (const pb::FileDescriptor* file : api.files()) {
    std::string directory = fs::path(file->name()).parent_path().string();
    for (char& c : directory) c = c == '/' ? '.' : c;
    CHECK(file->package() == directory);
    for (int i = 0; i < file->message_type_count(); ++i) CheckMessage(file->message_type(i));
    for (int i = 0; i < file->enum_type_count(); ++i) CheckEnum(file->enum_type(i));
    for (int i = 0; i < file->service_count(); ++i) {
      const pb::ServiceDescriptor* service = file->service(i);
      CheckCommented(service);
      CHECK(Matches(service->name(), "[A-Z][A-Za-z]*Service"));
      for (int j = 0; j < service->method_count(); ++j) CheckCommented(service->method(j));
    }
  }
}

TEST_CASE("Every mutating method takes a request_id, every list is paged", "[proto]") {
  Api api;
  int mutating = 0;
  int lists = 0;
  for (const pb::FileDescriptor* file : api.files()) {
    for (int i = 0; i < file->service_count(); ++i) {
      for (int j = 0; j < file->service(i)->method_count(); ++j) {
        const pb::MethodDescriptor* method = file->service(i)->method(j);
        INFO(method->full_name());
        CHECK(method->input_type()->name() == method->name() + "Request");
        if (NeedsRequestId(method)) {
          ++mutating;
          CHECK(HasString(method->input_type(), "request_id"));
        }
        if (method->name().rfind("List", 0) == 0) {
          ++lists;
          CHECK(method->input_type()->FindFieldByName("page_size") != nullptr);
          CHECK(HasString(method->input_type(), "page_token"));
          CHECK(HasString(method->output_type(), "next_page_token"));
        }
      }
    }
  }
  CHECK(mutating >= 15);
  CHECK(lists >= 8);
}
