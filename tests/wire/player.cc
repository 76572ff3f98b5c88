#include "tests/wire/player.h"

#include <grpcpp/client_context.h>
#include <grpcpp/impl/codegen/client_unary_call.h>
#include <grpcpp/support/sync_stream.h>

#include <stdexcept>
#include <utility>

#include "absl/time/clock.h"
#include "common/base/errors.h"
#include "common/base/strings.h"
#include "common/contribution/contribution_statement.h"
#include "common/crypto/secret.h"
#include "common/plan/plan.h"
#include "common/rpc/channel.h"
#include "common/rpc/join_link.h"
#include "common/rpc/status_codec.h"
#include "federity/v1/membership.pb.h"
#include "federity/v1/uploads.pb.h"

namespace federity::testing {
namespace {

namespace pb = google::protobuf;
using pb::Message;

// No version will ever have it.
constexpr int kUnknownField = 536'870'000;
constexpr int kUnknownEnum = 2'000'000'000;

template <typename T>
T Require(absl::StatusOr<T> value) {
  if (!value.ok()) throw std::runtime_error(value.status().ToString());
  return *std::move(value);
}

const pb::MethodDescriptor& FindMethod(const std::string& name) {
  const auto* method =
      pb::DescriptorPool::generated_pool()->FindMethodByName("federity.v1." + name);
  if (method == nullptr) throw std::runtime_error(StrCat("there is no method ", name));
  return *method;
}

void AddUnknownFields(Message& message) {
  ForEachMessage(message, [](Message& part) {
    pb::UnknownFieldSet& unknown = *part.GetReflection()->MutableUnknownFields(&part);
    unknown.AddVarint(kUnknownField, 7);
    unknown.AddLengthDelimited(kUnknownField + 1, "of a later version");
  });
}

}  // namespace

// One call of any kind as bytes: to gRPC every method is a stream both ways.
class Player::Call {
 public:
  Call(grpc::Channel& channel, const pb::MethodDescriptor& method)
      : path_(StrCat("/", method.service()->full_name(), "/", method.name())),
        answer_(*method.output_type()),
        rpc_(path_.c_str(), grpc::internal::RpcMethod::BIDI_STREAMING) {
    context_.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(100)));
    stream_.reset(
        grpc::internal::ClientReaderWriterFactory<grpc::ByteBuffer, grpc::ByteBuffer>::Create(
            &channel, rpc_, &context_));
  }
  ~Call() {
    if (stream_ == nullptr) return;
    context_.TryCancel();
    while (Read() != nullptr) {
    }
    (void)Finish();
  }

  // One that ended already says why in Finish.
  void Write(const Message& message) {
    const grpc::Slice slice(Bytes(message));
    stream_->Write(grpc::ByteBuffer(&slice, 1));
  }
  void WritesDone() { stream_->WritesDone(); }
  // The next answer; null at the end.
  AnyMessage Read() {
    grpc::ByteBuffer buffer;
    if (!stream_->Read(&buffer)) return nullptr;
    grpc::Slice slice;
    if (!buffer.DumpToSingleSlice(&slice).ok()) throw std::runtime_error("an answer has no bytes");
    AnyMessage message = NewMessage(answer_);
    if (!message->ParseFromArray(slice.begin(), static_cast<int>(slice.size()))) {
      throw std::runtime_error(StrCat("an answer to ", path_, " does not parse"));
    }
    return message;
  }
  // REQUIRES: Read was null. Once.
  grpc::Status Finish() { return std::exchange(stream_, nullptr)->Finish(); }

 private:
  const std::string path_;
  const pb::Descriptor& answer_;
  const grpc::internal::RpcMethod rpc_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<grpc::ByteBuffer, grpc::ByteBuffer>> stream_;
};

struct Player::Outcome {
  std::vector<AnyMessage> answers;
  google::rpc::Status error;  // code 0: none
};

Player::Player(const wire::Scenario& scenario, const std::string& administrator_link, Twist twist)
    : scenario_(scenario), twist_(twist) {
  const rpc::JoinLink link = Require(rpc::ParseJoinLink(administrator_link));
  address_ = link.address;
  ca_pem_ = Require(rpc::FetchCaCertificate(address_, link.ca_fingerprint, absl::Seconds(20)));
  variables_.Set("admin.link", administrator_link);
}

Player::~Player() = default;

Player::Caller& Player::Meet(const std::string& name) {
  const auto [at, is_new] = callers_.try_emplace(name);
  Caller& caller = at->second;
  if (is_new) {
    caller.channel = rpc::MakeChannel({.address = address_, .ca_certificate_pem = ca_pem_});
    variables_.Set(name, name);
    variables_.Set(name + ".key", caller.key.public_key());
    variables_.Set(name + ".tls_request", caller.tls.request_der);
    variables_.Set(name + ".signature", "");  // see Complete
  }
  return caller;
}

void Player::Play(wire::Exchange& exchange) {
  for (const std::string& name : exchange.as()) {
    const Outcome outcome = Perform(exchange, name);
    if (exchange.answer().empty() && !exchange.has_error()) {
      Record(exchange, name, outcome);
    } else {
      Check(exchange, name, outcome);
    }
  }
}

Player::Outcome Player::Perform(const wire::Exchange& exchange, const std::string& name) {
  Caller& caller = Meet(name);
  const pb::MethodDescriptor& method = FindMethod(exchange.method());
  Outcome outcome;
  if (exchange.stream().empty()) {
    outcome = PerformCall(exchange, name, method);
  } else {
    std::unique_ptr<Call>& stream = caller.streams[exchange.stream()];
    if (!exchange.request().empty()) {
      stream = std::make_unique<Call>(*caller.channel, method);
      stream->Write(*Prepare(exchange.request(0), name));
      stream->WritesDone();
    }
    if (stream == nullptr) throw std::runtime_error("no such stream is open");
    for (const pb::Any& expected : exchange.expect()) {
      outcome.answers.push_back(Await(*stream, expected, name));
    }
  }
  for (const AnyMessage& answer : outcome.answers) Remember(caller, *answer);
  return outcome;
}

Player::Outcome Player::PerformCall(const wire::Exchange& exchange, const std::string& name,
                                    const pb::MethodDescriptor& method) {
  Call call(*Meet(name).channel, method);
  for (const pb::Any& any : exchange.request()) {
    const AnyMessage request = Prepare(any, name);
    if (twist_.unknown_enums && !exchange.has_error()) Probe(method, name, *request);
    call.Write(*request);
  }
  call.WritesDone();
  Outcome outcome;
  while (AnyMessage answer = call.Read()) outcome.answers.push_back(std::move(answer));
  const grpc::Status status = call.Finish();
  if (!status.ok() && (!outcome.error.ParseFromString(status.error_details()) ||
                       outcome.error.code() != status.error_code())) {
    throw std::runtime_error(StrCat("an error without details: ", status.error_message()));
  }
  for (int i = 0; i < exchange.expect_size(); ++i) {
    if (i >= static_cast<int>(outcome.answers.size())) break;
    variables_.Learn(name, *Unpack(exchange.expect(i)), *outcome.answers[static_cast<size_t>(i)]);
  }
  return outcome;
}

AnyMessage Player::Await(Call& call, const pb::Any& expected, const std::string& name) {
  const AnyMessage pattern = Unpack(expected);
  std::string passed_over;
  while (AnyMessage answer = call.Read()) {
    Variables variables = variables_;
    variables.Learn(name, *pattern, *answer);
    const AnyMessage wanted(pattern->New());
    wanted->CopyFrom(*pattern);
    std::string difference;
    try {
      variables.Expand(name, *wanted);
      difference = Difference(scenario_, *wanted, *answer);
    } catch (const std::runtime_error& unset) {
      difference = unset.what();
    }
    if (difference.empty()) {
      variables_ = std::move(variables);
      return answer;
    }
    passed_over = std::move(difference);
  }
  throw std::runtime_error(
      StrCat("the stream ended: ", call.Finish().error_message(), "; before that: ", passed_over));
}

AnyMessage Player::Prepare(const pb::Any& any, const std::string& name) {
  AnyMessage request = Unpack(any);
  variables_.Expand(name, *request);
  Complete(Meet(name), *request);
  if (twist_.unknown_fields) AddUnknownFields(*request);
  return request;
}

void Player::Complete(const Caller& caller, Message& request) const {
  const auto hash = [](const std::string& text) {
    return std::string(crypto::Sha256(text).view());
  };
  if (auto* join = dynamic_cast<v1::JoinRequest*>(&request)) {
    join->set_secret(Require(rpc::ParseJoinLink(join->secret())).secret);
    join->set_signature(caller.key.Sign(
        "federity/join/v1", StrCat(hash(join->secret()), hash(join->certificate_request()))));
  } else if (auto* renew = dynamic_cast<v1::RenewCertificateRequest*>(&request)) {
    if (renew->nonce().empty()) return;
    renew->set_signature(caller.key.Sign(
        "federity/renew/v1",
        StrCat(renew->nonce(), hash(renew->name()), hash(renew->certificate_request()))));
  } else if (auto* submission = dynamic_cast<v1::SubmitContributionRequest*>(&request)) {
    const v1::TrainingAssignment& assignment = caller.assignment;
    submission->set_signature(caller.key.Sign(
        contribution::kContributionLabel,
        contribution::BuildContributionStatement(
            submission->name(), Require(crypto::ParseDigest(assignment.base_commit().digest())),
            PlanDigest(Require(ParsePlan(assignment.plan_toml()))),
            Require(crypto::ParseDigest(upload_digests_.at(submission->upload()))),
            submission->examples())));
  }
}

void Player::Probe(const pb::MethodDescriptor& method, const std::string& name,
                   const Message& request) {
  for (int i = 0; i < method.input_type()->field_count(); ++i) {
    const pb::FieldDescriptor* field = method.input_type()->field(i);
    if (field->enum_type() == nullptr) continue;
    const AnyMessage probe(request.New());
    probe->CopyFrom(request);
    probe->GetReflection()->SetEnumValue(probe.get(), field, kUnknownEnum);
    const auto* request_id = method.input_type()->FindFieldByName("request_id");
    if (request_id != nullptr) {
      probe->GetReflection()->SetString(probe.get(), request_id, crypto::RandomUuid());
    }
    Call call(*Meet(name).channel, method);
    call.Write(*probe);
    call.WritesDone();
    while (call.Read() != nullptr) {
    }
    const absl::Status status = rpc::FromGrpc(call.Finish());
    if (!absl::IsInvalidArgument(status) && !absl::IsFailedPrecondition(status)) {
      throw std::runtime_error(StrCat("an unknown ", field->full_name(), ": ", status.ToString()));
    }
    ++probes_;
  }
}

void Player::Remember(Caller& caller, const Message& answer) {
  std::string chain;
  if (const auto* joined = dynamic_cast<const v1::JoinResponse*>(&answer)) {
    chain = joined->certificate_chain();
  } else if (const auto* renewed = dynamic_cast<const v1::RenewCertificateResponse*>(&answer)) {
    chain = renewed->certificate_chain();
  } else if (const auto* upload = dynamic_cast<const v1::Upload*>(&answer)) {
    upload_digests_[upload->name()] = upload->digest();
  } else if (const auto* event = dynamic_cast<const v1::WatchAssignmentsResponse*>(&answer)) {
    if (event->has_training()) caller.assignment = event->training();
  }
  if (chain.empty()) return;
  caller.channel = rpc::MakeChannel({.address = address_,
                                     .ca_certificate_pem = ca_pem_,
                                     .certificate_chain_pem = chain,
                                     .private_key_pem = caller.tls.private_key_pem.Clone()});
}

void Player::Record(wire::Exchange& exchange, const std::string& name,
                    const Outcome& outcome) const {
  for (const AnyMessage& answer : outcome.answers) {
    const AnyMessage copy(answer->New());
    copy->CopyFrom(*answer);
    variables_.Reduce(name, *copy);
    *exchange.add_answer() = Pack(*copy);
  }
  if (outcome.error.code() != 0) *exchange.mutable_error() = outcome.error;
  if (exchange.answer().empty() && !exchange.has_error()) {
    throw std::runtime_error("neither answer nor error");
  }
}

void Player::Check(const wire::Exchange& exchange, const std::string& name,
                   const Outcome& outcome) const {
  std::string differences;
  if (exchange.has_error()) differences = Difference(scenario_, exchange.error(), outcome.error);
  if (exchange.answer_size() != static_cast<int>(outcome.answers.size()) ||
      exchange.error().code() != outcome.error.code()) {
    differences += StrCat(exchange.answer_size(), " answers are expected and ",
                          outcome.answers.size(), " came; ", outcome.error.ShortDebugString());
  } else {
    for (size_t i = 0; i < outcome.answers.size(); ++i) {
      const AnyMessage expected = Unpack(exchange.answer(static_cast<int>(i)));
      variables_.Expand(name, *expected);
      differences += Difference(scenario_, *expected, *outcome.answers[i]);
    }
  }
  if (!differences.empty()) {
    throw std::runtime_error(StrCat(exchange.method(), " as ", name, ": ", differences));
  }
}

}  // namespace federity::testing
