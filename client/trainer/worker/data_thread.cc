#include "client/trainer/worker/data_thread.h"

#include <utility>

#include "client/trainer/sandbox/sandbox.h"

namespace federity::trainer {

DataThread::DataThread(std::vector<std::filesystem::path> folders)
    : thread_([this, folders = std::move(folders)] { Loop(folders); }) {}

DataThread::~DataThread() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void DataThread::Run(std::function<void()> task) {
  std::packaged_task<void()> packaged(std::move(task));
  std::future<void> done = packaged.get_future();
  {
    const std::lock_guard lock(mutex_);
    task_ = std::move(packaged);
  }
  changed_.notify_all();
  done.get();
}

void DataThread::Loop(const std::vector<std::filesystem::path>& folders) {
  // Inherited rules of the thread that made it hold besides.
  sandbox::RestrictFiles(folders, sandbox::Profile::kCpu);
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return ending_ || task_.valid(); });
    if (!task_.valid()) return;
    std::packaged_task<void()> task = std::exchange(task_, {});
    lock.unlock();
    task();
    lock.lock();
  }
}

}  // namespace federity::trainer
