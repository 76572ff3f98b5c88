#include "server/store/notifier.h"

#include <poll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <exception>
#include <utility>

#include "absl/random/random.h"
#include "common/log/log.h"
#include "server/store/pqxx_connection.h"

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

namespace federity::store {
namespace {

// Collects the payloads of one get_notifs() call.
class Receiver : public pqxx::notification_receiver {
 public:
  explicit Receiver(pqxx::connection& connection)
      : pqxx::notification_receiver(connection, Notifier::kChannel) {}
  void operator()(const std::string& payload, int /*backend*/) override {
    topics_.push_back(payload);
  }
  std::vector<std::string> Take() { return std::exchange(topics_, {}); }

 private:
  std::vector<std::string> topics_;
};

}  // namespace

struct Notifier::Entry {
  explicit Entry(std::function<void()> fn) : callback(std::move(fn)) {}
  // Held while the callback runs, so that the end of a subscription waits for it.
  absl::Mutex running;
  std::function<void()> callback ABSL_GUARDED_BY(running);
};

class Notifier::Handle : public Subscription {
 public:
  Handle(Notifier& notifier, std::string topic, std::shared_ptr<Entry> entry)
      : notifier_(notifier), topic_(std::move(topic)), entry_(std::move(entry)) {}
  ~Handle() override { notifier_.Unsubscribe(topic_, entry_); }

 private:
  Notifier& notifier_;
  const std::string topic_;
  const std::shared_ptr<Entry> entry_;
};

Notifier::Notifier(std::string url, std::string application, absl::Duration poll_interval)
    : url_(std::move(url)),
      application_(std::move(application)),
      poll_interval_(poll_interval),
      stop_event_(eventfd(0, EFD_CLOEXEC)),
      thread_([this] { Run(); }) {}

Notifier::~Notifier() {
  eventfd_write(stop_event_.get(), 1);
  thread_.join();
}

std::unique_ptr<Subscription> Notifier::Subscribe(std::string topic,
                                                  std::function<void()> callback) {
  auto entry = std::make_shared<Entry>(std::move(callback));
  absl::MutexLock lock(&mu_);
  entries_[topic].push_back(entry);
  return std::make_unique<Handle>(*this, std::move(topic), std::move(entry));
}

void Notifier::Unsubscribe(const std::string& topic, const std::shared_ptr<Entry>& entry) {
  {
    absl::MutexLock lock(&mu_);
    if (auto found = entries_.find(topic); found != entries_.end()) {
      std::erase(found->second, entry);
      if (found->second.empty()) entries_.erase(found);
    }
  }
  // From within its own callback this thread holds the lock already, and no later
  // run can start.
  if (std::this_thread::get_id() == thread_.get_id() && running_ == entry.get()) return;
  absl::MutexLock lock(&entry->running);
  entry->callback = nullptr;
}

void Notifier::RunCallback(Entry& entry) {
  absl::MutexLock lock(&entry.running);
  if (!entry.callback) return;
  running_ = &entry;
  entry.callback();
  running_ = nullptr;
}

void Notifier::Call(const std::string& topic) {
  std::vector<std::shared_ptr<Entry>> entries;
  {
    absl::MutexLock lock(&mu_);
    if (const auto found = entries_.find(topic); found != entries_.end()) entries = found->second;
  }
  for (const auto& entry : entries) RunCallback(*entry);
}

void Notifier::CallAll() {
  std::vector<std::shared_ptr<Entry>> entries;
  {
    absl::MutexLock lock(&mu_);
    for (const auto& [topic, of_topic] : entries_) {
      entries.insert(entries.end(), of_topic.begin(), of_topic.end());
    }
  }
  for (const auto& entry : entries) RunCallback(*entry);
}

bool Notifier::Wait(int socket, absl::Duration timeout) {
  pollfd fds[2] = {{stop_event_.get(), POLLIN, 0}, {socket, POLLIN, 0}};
  const int64_t milliseconds = std::max<int64_t>(0, absl::ToInt64Milliseconds(timeout));
  poll(fds, socket < 0 ? 1 : 2, static_cast<int>(std::min<int64_t>(milliseconds, 1 << 30)));
  return (fds[0].revents & POLLIN) == 0;
}

void Notifier::Listen() {
  const std::unique_ptr<pqxx::connection> connection = OpenConnection(url_, application_);
  Receiver receiver(*connection);
  CallAll();
  absl::Time next_poll = absl::Now() + poll_interval_;
  while (Wait(connection->sock(), next_poll - absl::Now())) {
    if (!connection->is_open()) throw pqxx::broken_connection("connection lost");
    connection->get_notifs();
    std::vector<std::string> topics = receiver.Take();
    // Many commits of one topic are one reason to look.
    std::sort(topics.begin(), topics.end());
    topics.erase(std::unique(topics.begin(), topics.end()), topics.end());
    for (const std::string& topic : topics) Call(topic);
    if (absl::Now() >= next_poll) {
      CallAll();
      next_poll = absl::Now() + poll_interval_;
    }
  }
}

void Notifier::Run() {
  absl::BitGen random;
  bool stopping = false;
  absl::Duration backoff = absl::Milliseconds(50);
  while (!stopping) {
    const absl::Time begin = absl::Now();
    try {
      Listen();
      return;
    } catch (const std::exception& e) {
      log::Warning("the database's notifications stopped; reconnecting", {{"error", e.what()}});
    }
    if (absl::Now() - begin > absl::Seconds(10)) backoff = absl::Milliseconds(50);
    stopping = !Wait(-1, backoff * absl::Uniform(random, 0.5, 1.5));
    backoff = std::min(backoff * 2, absl::Seconds(5));
  }
}

}  // namespace federity::store
