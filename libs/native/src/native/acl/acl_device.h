#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "acl/acl_library.h"
#include "provider_report.h"

namespace mserve::acl {

/**
 * A device in use: its context and the one thread that makes every call that concerns it, since models, memory and contexts are bound to one another. Shared by the models on
 * it; given back with the last one.
 */
class Device {
 public:
  /** The device with this number, taken into use if it is not. Null and a failure when that cannot be. */
  static std::shared_ptr<Device> use(int id, Failure& failure);
  explicit Device(const Library& library) : library_(library) {}
  ~Device();
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  const Library& library() const { return library_; }
  /** Executes the step on the device's thread and waits for it. Any other thread. What the step throws is thrown here. */
  void call(const std::function<void()>& step);

 private:
  struct Call;

  bool start(int id, Failure& failure);
  void serve(int id, Failure& failure, bool& started);
  bool open(int id, Failure& failure);
  void close(int id);

  const Library& library_;
  Context context_ = nullptr;
  std::thread thread_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable done_;
  std::deque<Call*> calls_;
  bool stopping_ = false;
};

/** The devices that there are, and AscendCL's version. Takes none of them into use. */
void examineDevices(const Library& library, ProviderReport& report);

}  // namespace mserve::acl
