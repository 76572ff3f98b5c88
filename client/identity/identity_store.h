#ifndef FEDERITY_CLIENT_IDENTITY_IDENTITY_STORE_H_
#define FEDERITY_CLIENT_IDENTITY_IDENTITY_STORE_H_

#include <grpcpp/channel.h>

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/crypto/ed25519.h"
#include "common/rpc/join_link.h"
#include "federity/v1/membership.pb.h"

namespace federity::identity {

// One membership of this user or agent: where, as whom, until when. What is
// secret stays in the store.
struct Identity {
  std::string id;            // the member's UUID
  std::string member;        // resource name
  std::string address;       // the coordinator's "host:port", as the link named it
  std::string scope;         // "" (server), "organizations/o", "organizations/o/repositories/r"
  std::string organization;  // identifier
  std::string organization_display_name;
  v1::Role role = v1::ROLE_UNSPECIFIED;
  v1::MemberKind kind = v1::MEMBER_KIND_UNSPECIFIED;
  std::string ca_fingerprint;   // SHA-256 of the CA certificate, hexadecimal
  std::string coordinator_key;  // Ed25519, 32 bytes, as told at the join; signs what it states
  absl::Time renew_time;
  absl::Time expire_time;
  // Of all its replicas, in the order in which they are tried. The store asks for
  // them at the join and every hour of use, and never forgets `address`.
  std::vector<std::string> addresses;
};

// The memberships under one folder (0700 if made here), each in identities/{id}/:
// identity.json, contribution.key, tls.pem (key and chain), ca.pem, all 0600.
// Files are replaced atomically, so that a crash leaves the old or the new
// certificate, never none and never one without its key. Thread-safe within a
// process; two processes may use one folder.
class IdentityStore {
 public:
  // Makes what is missing. An identities/ or pending/ that group or others may
  // enter is narrowed to 0700; PERMISSION_DENIED where it is somebody else's.
  // The folder itself may hold other things: one that is there stays as it is.
  static absl::StatusOr<std::unique_ptr<IdentityStore>> Open(const std::filesystem::path& directory,
                                                             const Clock& clock = Clock::System());
  virtual ~IdentityStore() = default;

  // Redeems a link: fetches and checks the CA, makes keys (kept before the
  // call, so that a repeated join after a crash redeems with the same), calls
  // Join. A link that was redeemed into this store before gives the same
  // membership again. INVALID_ARGUMENT naming the right program for a link of
  // another kind, before anything is sent.
  virtual absl::StatusOr<Identity> Join(const rpc::JoinLink& link, v1::MemberKind kind,
                                        std::string_view version) = 0;
  virtual absl::StatusOr<std::vector<Identity>> List() = 0;
  // NOT_FOUND if there is none.
  virtual absl::StatusOr<Identity> Get(std::string_view id) = 0;
  // A channel with this membership's certificate, renewed first if it is due
  // (or expired: renewal needs none). It goes to whichever of the addresses
  // answers, and to another when that one fails.
  virtual absl::StatusOr<std::shared_ptr<grpc::Channel>> Connect(std::string_view id) = 0;
  // The membership for a repository: its own or that of its organisation,
  // whichever has more rights. NOT_FOUND naming what there is;
  // FAILED_PRECONDITION when two coordinators have such a repository.
  virtual absl::StatusOr<Identity> ForRepository(std::string_view repository_name) = 0;
  // The membership whose scope is exactly this.
  virtual absl::StatusOr<Identity> ForScope(std::string_view scope) = 0;
  virtual absl::StatusOr<crypto::SigningKey> ContributionKey(std::string_view id) = 0;
  // Wipes keys and removes the folder; OK if there is none.
  virtual absl::Status Remove(std::string_view id) = 0;
};

}  // namespace federity::identity

#endif  // FEDERITY_CLIENT_IDENTITY_IDENTITY_STORE_H_
