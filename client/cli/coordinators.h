#ifndef FEDERITY_CLIENT_CLI_COORDINATORS_H_
#define FEDERITY_CLIENT_CLI_COORDINATORS_H_

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/identity/identity_store.h"

namespace federity::cli {

// A coordinator that this user has memberships at, known by its CA. The chosen
// one (`context use`) decides where two have a repository of the same name.
struct Coordinator {
  std::string address;
  std::vector<std::string> addresses;  // of all its replicas
  std::string ca_fingerprint;
  int memberships = 0;
  bool chosen = false;
};

// By address.
std::vector<Coordinator> ListCoordinators(const std::vector<identity::Identity>& identities,
                                          std::string_view chosen_fingerprint);

// The choice kept in `home`; empty for none.
std::string ReadChoice(const std::filesystem::path& home);
absl::Status WriteChoice(const std::filesystem::path& home, std::string_view ca_fingerprint);

// By one of its addresses or by the beginning of the fingerprint. NOT_FOUND listing all.
absl::StatusOr<Coordinator> FindCoordinator(const std::vector<Coordinator>& coordinators,
                                            std::string_view text);

// The memberships at the chosen coordinator, or all without a choice.
std::vector<identity::Identity> AtChosen(const std::vector<identity::Identity>& identities,
                                         std::string_view chosen_fingerprint);

// identity::ChooseIdentity with the choice: what is at the chosen coordinator
// wins, what is only elsewhere is found too. An ambiguity names `context use`.
absl::StatusOr<identity::Identity> ChooseMembership(
    const std::vector<identity::Identity>& identities, std::string_view chosen_fingerprint,
    std::string_view scope, bool or_organization);

}  // namespace federity::cli

#endif  // FEDERITY_CLIENT_CLI_COORDINATORS_H_
