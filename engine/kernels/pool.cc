#include "pool.h"

#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include <sched.h>

namespace kvd {
namespace {

int CountThreads() {
  const char* asked = std::getenv("TF_NUM_INTRAOP_THREADS");
  if (asked != nullptr && std::atoi(asked) > 0) return std::atoi(asked);
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) return CPU_COUNT(&set);
  return 1;
}

struct Job {
  const std::function<void(int64_t)>* work;
  int64_t count;
  std::atomic<int64_t> next{0};
  std::atomic<int64_t> done{0};

  void Run() {
    int64_t finished = 0;
    for (int64_t i; (i = next.fetch_add(1)) < count; finished++) (*work)(i);
    done.fetch_add(finished);
  }
};

class Pool {
 public:
  Pool() {
    for (int i = 1; i < ThreadCount(); i++) std::thread([this] { Serve(); }).detach();
  }

  void Run(int64_t count, const std::function<void(int64_t)>& work) {
    auto job = std::make_shared<Job>();
    job->work = &work;
    job->count = count;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      job_ = job;
      serial_.fetch_add(1);
    }
    wake_.notify_all();
    job->Run();
    while (job->done.load() < count) std::this_thread::yield();
  }

 private:
  // Work comes in bursts: a thread looks out for more for a moment before it sleeps.
  static constexpr int kLooks = 8000;

  void Serve() {
    uint64_t seen = 0;
    for (;;) {
      for (int i = 0; i < kLooks && serial_.load() == seen; i++) __builtin_ia32_pause();
      std::shared_ptr<Job> job;
      {
        std::unique_lock<std::mutex> lock(mutex_);
        wake_.wait(lock, [&] { return serial_.load() != seen; });
        seen = serial_.load();
        job = job_;
      }
      job->Run();
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  std::atomic<uint64_t> serial_{0};
  std::shared_ptr<Job> job_;
};

}  // namespace

int ThreadCount() {
  static const int count = CountThreads();
  return count;
}

void ParallelFor(int64_t count, const std::function<void(int64_t)>& work) {
  static std::mutex one_at_a_time;
  // Never destroyed: its threads outlive main.
  static Pool* pool = new Pool();
  if (count <= 1) {
    for (int64_t i = 0; i < count; i++) work(i);
    return;
  }
  std::lock_guard<std::mutex> lock(one_at_a_time);
  pool->Run(count, work);
}

}  // namespace kvd
