#include "acl/acl_device.h"

#include <exception>
#include <map>
#include <string>

namespace mserve::acl {

struct Device::Call {
  const std::function<void()>* step;
  std::exception_ptr thrown;
  bool isDone = false;
};

std::shared_ptr<Device> Device::use(int id, Failure& failure) {
  static auto& mutex = *new std::mutex();
  static auto& devices = *new std::map<int, std::weak_ptr<Device>>();  // never destroyed: threads may outlive main()
  const std::lock_guard<std::mutex> lock(mutex);
  if (std::shared_ptr<Device> device = devices[id].lock()) return device;
  const Library* library = Library::use(failure);
  if (library == nullptr) return nullptr;
  auto device = std::make_shared<Device>(*library);  // gives the library back when it is destroyed
  if (!device->start(id, failure)) return nullptr;
  devices[id] = device;
  return device;
}

Device::~Device() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
  Library::release();
}

bool Device::start(int id, Failure& failure) {
  bool started = false;
  thread_ = std::thread([this, id, &failure, &started] { serve(id, failure, started); });
  std::unique_lock<std::mutex> lock(mutex_);
  done_.wait(lock, [&] { return started; });
  return !failure;
}

void Device::serve(int id, Failure& failure, bool& started) {
  const bool isOpen = open(id, failure);
  std::unique_lock<std::mutex> lock(mutex_);
  started = true;
  done_.notify_all();
  if (!isOpen) return;  // `failure` and `started` are the caller's: not to be touched from here on
  while (true) {
    wake_.wait(lock, [this] { return stopping_ || !calls_.empty(); });
    if (calls_.empty()) break;
    Call& call = *calls_.front();
    calls_.pop_front();
    lock.unlock();
    try {
      (*call.step)();
    } catch (...) {
      call.thrown = std::current_exception();
    }
    lock.lock();
    call.isDone = true;
    done_.notify_all();
  }
  lock.unlock();
  close(id);
}

bool Device::open(int id, Failure& failure) {
  const Api& api = library_.api;
  uint32_t count = 0;
  if (!library_.check(api.aclrtGetDeviceCount(&count), "the Ascend devices cannot be counted", FailureKind::Device, failure)) return false;
  if (static_cast<uint32_t>(id) >= count) {
    failure.set(FailureKind::Device, "there is no Ascend device " + std::to_string(id) + ": this machine has " + std::to_string(count) + ", numbered from 0");
    return false;
  }
  if (!library_.check(api.aclrtSetDevice(id), "the Ascend device cannot be used", FailureKind::Device, failure)) return false;
  if (library_.check(api.aclrtCreateContext(&context_, id), "no context can be made on the Ascend device", FailureKind::Device, failure)) return true;
  api.aclrtResetDevice(id);
  return false;
}

/** Nobody is left to tell what fails here. */
void Device::close(int id) {
  library_.api.aclrtDestroyContext(context_);
  library_.api.aclrtResetDevice(id);
}

void Device::call(const std::function<void()>& step) {
  Call call{&step, nullptr, false};
  std::unique_lock<std::mutex> lock(mutex_);
  calls_.push_back(&call);
  wake_.notify_one();
  done_.wait(lock, [&] { return call.isDone; });
  lock.unlock();
  if (call.thrown) std::rethrow_exception(call.thrown);
}

void examineDevices(const Library& library, ProviderReport& report) {
  const Api& api = library.api;
  int32_t major = 0;
  int32_t minor = 0;
  int32_t patch = 0;
  if (api.aclrtGetVersion(&major, &minor, &patch) == 0) {
    report.driver = "AscendCL " + std::to_string(major) + "." + std::to_string(minor) + "." + std::to_string(patch);
  }
  report.runtime = report.driver;
  uint32_t count = 0;
  Failure failure;
  if (!library.check(api.aclrtGetDeviceCount(&count), "the Ascend devices cannot be counted", FailureKind::Device, failure)) {
    report.problems.push_back(failure.message);
    return;
  }
  const char* chip = api.aclrtGetSocName == nullptr ? nullptr : api.aclrtGetSocName();
  for (uint32_t id = 0; id < count; id++) report.devices.push_back({static_cast<int>(id), chip == nullptr ? "Ascend" : chip, 0});
  if (count == 0) report.problems.push_back("AscendCL is installed, but has no device");
}

}  // namespace mserve::acl
