#ifndef FEDERITY_SERVER_API_MEMBER_WATCH_H_
#define FEDERITY_SERVER_API_MEMBER_WATCH_H_

#include <atomic>
#include <memory>
#include <string_view>

#include "server/rounds/topics.h"
#include "server/store/database.h"

namespace federity::api {

// Whether a member's row may have changed since the last look: for streams that
// move data, which then ask Dispatcher::StillAuthorised before the next message.
// One subscription, nothing asked meanwhile. Made before the stream is authorised,
// it misses no removal. The database must outlive it. Thread-safe.
class MemberWatch {
 public:
  MemberWatch(store::Database& database, std::string_view member_id)
      : subscription_(
            database.Subscribe(rounds::MemberTopic(member_id), [this] { changed_ = true; })) {}

  // True once for each change, and now and then without one.
  bool Changed() { return changed_.exchange(false); }

 private:
  std::atomic<bool> changed_ = false;
  std::unique_ptr<store::Subscription> subscription_;  // ends first
};

}  // namespace federity::api

#endif  // FEDERITY_SERVER_API_MEMBER_WATCH_H_
