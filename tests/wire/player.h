#ifndef FEDERITY_TESTS_WIRE_PLAYER_H_
#define FEDERITY_TESTS_WIRE_PLAYER_H_

#include <google/protobuf/descriptor.h>
#include <grpcpp/channel.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/crypto/certificates.h"
#include "common/crypto/ed25519.h"
#include "federity/v1/contributions.pb.h"
#include "tests/wire/messages.h"
#include "tests/wire/scenario.pb.h"
#include "tests/wire/variables.h"

namespace federity::testing {

// Plays the exchanges of a scenario, in their order, with a coordinator to which
// nobody has spoken yet. It holds the callers' keys and signs as they do; all else
// is in the scenario. Failures, a difference among them, throw std::runtime_error.
// Thread-compatible.
class Player {
 public:
  // What a peer of another version does.
  struct Twist {
    bool unknown_fields = false;  // in every message of every request
    bool unknown_enums = false;   // before a call, once for each enum in its request
  };
  // `scenario` must outlive this; `administrator_link` is `${admin.link}`.
  Player(const wire::Scenario& scenario, const std::string& administrator_link, Twist twist);
  ~Player();

  // Compares the answers with the recorded ones; where there are none, records.
  void Play(wire::Exchange& exchange);
  // How many refused calls of Twist::unknown_enums there were.
  int probes() const { return probes_; }

 private:
  class Call;
  struct Caller {
    crypto::SigningKey key = crypto::SigningKey::Generate();
    crypto::TlsKeyAndRequest tls = *crypto::GenerateTlsKey();
    std::shared_ptr<grpc::Channel> channel;  // first without a certificate
    v1::TrainingAssignment assignment;       // the last one
    std::map<std::string, std::unique_ptr<Call>> streams;
  };
  struct Outcome;

  Caller& Meet(const std::string& name);
  Outcome Perform(const wire::Exchange& exchange, const std::string& name);
  Outcome PerformCall(const wire::Exchange& exchange, const std::string& name,
                      const google::protobuf::MethodDescriptor& method);
  // The next message of an open stream that fits; the others are passed over.
  AnyMessage Await(Call& call, const google::protobuf::Any& expected, const std::string& name);
  AnyMessage Prepare(const google::protobuf::Any& request, const std::string& name);
  // What only a program can write: the secret of a link, signatures.
  void Complete(const Caller& caller, google::protobuf::Message& request) const;
  void Probe(const google::protobuf::MethodDescriptor& method, const std::string& name,
             const google::protobuf::Message& request);
  // What a program remembers of an answer.
  void Remember(Caller& caller, const google::protobuf::Message& answer);
  void Record(wire::Exchange& exchange, const std::string& name, const Outcome& outcome) const;
  void Check(const wire::Exchange& exchange, const std::string& name, const Outcome& outcome) const;

  const wire::Scenario& scenario_;
  const Twist twist_;
  std::string address_;
  std::string ca_pem_;
  Variables variables_;
  std::map<std::string, Caller> callers_;
  std::map<std::string, std::string> upload_digests_;
  int probes_ = 0;
};

}  // namespace federity::testing

#endif  // FEDERITY_TESTS_WIRE_PLAYER_H_
