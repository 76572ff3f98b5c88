#include "client/cli/coordinators.h"

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>

#include "absl/strings/str_join.h"
#include "client/identity/choose.h"
#include "common/base/errors.h"
#include "common/base/files.h"
#include "common/base/strings.h"

namespace federity::cli {

using identity::Identity;

std::vector<Coordinator> ListCoordinators(const std::vector<Identity>& identities,
                                          std::string_view chosen_fingerprint) {
  std::vector<Coordinator> all;
  for (const Identity& one : identities) {
    auto it = std::find_if(all.begin(), all.end(), [&](const Coordinator& c) {
      return c.ca_fingerprint == one.ca_fingerprint;
    });
    if (it == all.end()) {
      it = all.insert(it, {.address = one.address,
                           .addresses = one.addresses,
                           .ca_fingerprint = one.ca_fingerprint,
                           .chosen = one.ca_fingerprint == chosen_fingerprint});
    }
    ++it->memberships;
  }
  std::sort(all.begin(), all.end(),
            [](const Coordinator& a, const Coordinator& b) { return a.address < b.address; });
  return all;
}

std::string ReadChoice(const std::filesystem::path& home) {
  const auto text = ReadFile(home / "context.json", 1 << 16);
  if (!text.ok()) return {};
  const auto json = nlohmann::json::parse(*text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("ca_fingerprint")) return {};
  return json["ca_fingerprint"].is_string() ? json["ca_fingerprint"].get<std::string>() : "";
}

absl::Status WriteChoice(const std::filesystem::path& home, std::string_view ca_fingerprint) {
  const nlohmann::json json = {{"ca_fingerprint", ca_fingerprint}};
  return WriteFileAtomically(home / "context.json", json.dump() + "\n");
}

absl::StatusOr<Coordinator> FindCoordinator(const std::vector<Coordinator>& coordinators,
                                            std::string_view text) {
  std::vector<Coordinator> found;
  std::vector<std::string> addresses;
  for (const Coordinator& one : coordinators) {
    addresses.push_back(one.address);
    const bool prefix = text.size() >= 6 && one.ca_fingerprint.starts_with(text);
    const bool named = one.address == text || std::count(one.addresses.begin(),
                                                         one.addresses.end(), text) > 0;
    if (named || prefix) found.push_back(one);
  }
  if (found.size() == 1) return found.front();
  if (found.empty()) {
    return Error(v1::ERROR_REASON_NOT_FOUND,
                 StrCat("no coordinator '", text, "'; there are: ",
                        addresses.empty() ? "none" : absl::StrJoin(addresses, ", ")));
  }
  return absl::FailedPreconditionError(
      StrCat("'", text, "' fits ", found.size(),
             " coordinators; name one by its fingerprint (federity context list)"));
}

std::vector<Identity> AtChosen(const std::vector<Identity>& identities,
                               std::string_view chosen_fingerprint) {
  if (chosen_fingerprint.empty()) return identities;
  std::vector<Identity> here;
  std::copy_if(identities.begin(), identities.end(), std::back_inserter(here),
               [&](const Identity& one) { return one.ca_fingerprint == chosen_fingerprint; });
  return here;
}

absl::StatusOr<Identity> ChooseMembership(const std::vector<Identity>& identities,
                                          std::string_view chosen_fingerprint,
                                          std::string_view scope, bool or_organization) {
  auto found =
      identity::ChooseIdentity(AtChosen(identities, chosen_fingerprint), scope, or_organization);
  if (absl::IsNotFound(found.status()) && !chosen_fingerprint.empty()) {
    found = identity::ChooseIdentity(identities, scope, or_organization);
  }
  if (absl::IsFailedPrecondition(found.status())) {
    return absl::FailedPreconditionError(
        StrCat(found.status().message(), "; choose one: federity context use ADDRESS"));
  }
  return found;
}

}  // namespace federity::cli
