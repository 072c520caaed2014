#pragma once

#include <condition_variable>
#include <cstddef>
#include <mutex>

namespace mserve {

/** Lets runs execute together, or one of them alone. Who waits for being alone goes before those that come later. */
class AloneGate {
 public:
  void enter() {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return isOpen(); });
    inside_++;
  }

  /** As enter(), but false where it would have to wait. */
  bool tryEnter() {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!isOpen()) return false;
    inside_++;
    return true;
  }

  void leave() {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (--inside_ == 0 && waiting_ > 0) changed_.notify_all();
  }

  void enterAlone() {
    std::unique_lock<std::mutex> lock(mutex_);
    waiting_++;
    changed_.wait(lock, [this] { return inside_ == 0 && !isAlone_; });
    waiting_--;
    isAlone_ = true;
  }

  void leaveAlone() {
    const std::lock_guard<std::mutex> lock(mutex_);
    isAlone_ = false;
    changed_.notify_all();
  }

 private:
  bool isOpen() const { return !isAlone_ && waiting_ == 0; }

  std::mutex mutex_;
  std::condition_variable changed_;
  size_t inside_ = 0;
  size_t waiting_ = 0;  // for being alone
  bool isAlone_ = false;
};

}  // namespace mserve
