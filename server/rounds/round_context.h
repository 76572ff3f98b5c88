#ifndef FEDERITY_SERVER_ROUNDS_ROUND_CONTEXT_H_
#define FEDERITY_SERVER_ROUNDS_ROUND_CONTEXT_H_

#include <functional>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/crypto/secret.h"
#include "server/blobs/blob_store.h"
#include "server/store/database.h"

namespace federity::rounds {

// What the machine works with. Everything must outlive the machine.
struct RoundDependencies {
  store::Database& database;
  blobs::BlobStore& blobs;
  const crypto::Secret& key_file;
  const Clock& clock;
  // The coordinator's signature (CertificateAuthority::Sign), for
  // standardisations.
  std::function<std::string(std::string_view label, std::string_view message)> sign;
};

struct RoundOptions {
  std::string replica;  // a UUID; empty: a random one
  // A contributor without progress for this long is taken to be gone.
  absl::Duration silence_timeout = absl::Seconds(60);
  // How long a round that could begin still waits for agents that come.
  absl::Duration recruit_grace = absl::Seconds(10);
  // How long after a round's deadline verification may still take.
  absl::Duration verify_bound = absl::Minutes(5);
  // How long work belongs to a replica that says no more of it; renewed from time
  // to time while the work shows a sign of life at least every `stall`.
  absl::Duration lease = absl::Seconds(10);
  absl::Duration stall = absl::Minutes(5);
  // Until another attempt at work that failed for no reason that we know.
  absl::Duration retry = absl::Minutes(1);
  int verify_threads = 2;
  int merge_threads = 1;
  // The worker looks at least this often, should a wake-up be lost.
  absl::Duration poll_interval = absl::Seconds(5);
  // Asked between blocks of long work, which ends and is given back once it says
  // true; whoever comes next takes it up. Empty: never. RoundWorker sets it.
  std::function<bool()> stopping;

  bool is_stopping() const { return stopping && stopping(); }
};

}  // namespace federity::rounds

#endif  // FEDERITY_SERVER_ROUNDS_ROUND_CONTEXT_H_
