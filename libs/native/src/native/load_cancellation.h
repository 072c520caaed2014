#pragma once

#include <functional>
#include <mutex>
#include <utility>

namespace mserve {

/** Lets another thread end a load that is going on, if the runtime can. */
class LoadCancellation {
 public:
  /** Any thread; once. */
  void cancel() {
    std::lock_guard<std::mutex> lock(mutex_);
    cancelled_ = true;
    if (action_) action_();
  }

  /** The loading thread: from now until disarm(), cancel() calls the action (at once if it has been called). */
  void arm(std::function<void()> action) {
    std::lock_guard<std::mutex> lock(mutex_);
    action_ = std::move(action);
    if (cancelled_) action_();
  }

  void disarm() {
    std::lock_guard<std::mutex> lock(mutex_);
    action_ = nullptr;
  }

 private:
  std::mutex mutex_;
  std::function<void()> action_;
  bool cancelled_ = false;
};

}  // namespace mserve
