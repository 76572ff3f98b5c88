#ifndef FEDERITY_SERVER_STORE_NOTIFIER_H_
#define FEDERITY_SERVER_STORE_NOTIFIER_H_

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/base/files.h"
#include "server/store/database.h"

namespace federity::store {

// One thread with one LISTEN connection for all topics: they travel as the
// payload of one channel. After each (re)connection and every `poll_interval`
// all topics are called, so that a lost notification only delays. Subscriptions
// must not outlive it. Thread-safe.
class Notifier {
 public:
  // The channel that Transaction::Notify uses.
  static constexpr const char* kChannel = "federity";

  Notifier(std::string url, std::string application, absl::Duration poll_interval);
  ~Notifier();
  Notifier(const Notifier&) = delete;
  Notifier& operator=(const Notifier&) = delete;

  std::unique_ptr<Subscription> Subscribe(std::string topic, std::function<void()> callback);

 private:
  struct Entry;
  class Handle;

  void Run();
  // Listens until the connection breaks (throws) or stop.
  void Listen();
  // Blocks until the socket is readable, stop, or `timeout`; false on stop.
  bool Wait(int socket, absl::Duration timeout);
  void Call(const std::string& topic);
  void CallAll();
  void Unsubscribe(const std::string& topic, const std::shared_ptr<Entry>& entry);
  void RunCallback(Entry& entry);

  const std::string url_;
  const std::string application_;
  const absl::Duration poll_interval_;
  FileDescriptor stop_event_;
  absl::Mutex mu_;
  absl::flat_hash_map<std::string, std::vector<std::shared_ptr<Entry>>> entries_
      ABSL_GUARDED_BY(mu_);
  Entry* running_ = nullptr;  // only the thread's
  std::thread thread_;
};

}  // namespace federity::store

#endif  // FEDERITY_SERVER_STORE_NOTIFIER_H_
