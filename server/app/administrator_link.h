#ifndef FEDERITY_SERVER_APP_ADMINISTRATOR_LINK_H_
#define FEDERITY_SERVER_APP_ADMINISTRATOR_LINK_H_

#include <filesystem>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/store/database.h"

namespace federity::app {

// The one-time links that the coordinator makes itself: by which administrators
// join (the first one lies in a file until it is used), and by which an
// organisation gets an owner again. `federity-server link` makes them.

// A new link, by what the database says of the CA. FAILED_PRECONDITION if the
// coordinator was never started.
absl::StatusOr<std::string> MakeAdministratorLink(store::Database& database,
                                                  const std::string& public_address,
                                                  absl::Time now);

// A new link for an owner of an organisation, also where it has owners. NOT_FOUND
// if there is no such namespace, FAILED_PRECONDITION as above.
absl::StatusOr<std::string> MakeOwnerLink(store::Database& database,
                                          const std::string& organization,
                                          const std::string& public_address, absl::Time now);

// While nobody is administrator: the link in `file`, which is made, or made
// anew where it can't be redeemed any more or names another address. Nothing if
// there is an administrator.
absl::StatusOr<std::optional<std::string>> FirstAdministratorLink(store::Database& database,
                                                                  const std::filesystem::path& file,
                                                                  const std::string& public_address,
                                                                  absl::Time now);

// Deletes `file` once its link was used, revoked or has expired.
absl::Status RemoveUsedLink(store::Database& database, const std::filesystem::path& file,
                            absl::Time now);

}  // namespace federity::app

#endif  // FEDERITY_SERVER_APP_ADMINISTRATOR_LINK_H_
