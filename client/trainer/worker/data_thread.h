#ifndef FEDERITY_CLIENT_TRAINER_WORKER_DATA_THREAD_H_
#define FEDERITY_CLIENT_TRAINER_WORKER_DATA_THREAD_H_

#include <condition_variable>
#include <filesystem>
#include <functional>
#include <future>
#include <mutex>
#include <thread>
#include <vector>

namespace federity::trainer {

// The one thread that may read image folders. Landlock binds threads: code of a
// model runs on others, which can open nothing. Make it before those restrict
// themselves and before LibTorch starts; it joins at its end. Thread-compatible.
class DataThread {
 public:
  explicit DataThread(std::vector<std::filesystem::path> folders);
  ~DataThread();
  DataThread(const DataThread&) = delete;
  DataThread& operator=(const DataThread&) = delete;

  // Runs it there and waits; what it throws is thrown here.
  void Run(std::function<void()> task);

 private:
  void Loop(const std::vector<std::filesystem::path>& folders);

  std::mutex mutex_;
  std::condition_variable changed_;
  std::packaged_task<void()> task_;  // guarded by mutex_; valid: to be run
  bool ending_ = false;              // guarded by mutex_
  std::thread thread_;
};

}  // namespace federity::trainer

#endif  // FEDERITY_CLIENT_TRAINER_WORKER_DATA_THREAD_H_
