#include <cstdlib>
#include <cstring>

#include "fake.h"

namespace fake {

namespace {
thread_local Context* current = nullptr;
thread_local std::string lastError;
thread_local std::string givenError;

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}
}  // namespace

World& world() {
  static World& only = *[] {
    auto* made = new World();
    if (const std::string count = variable("FAKE_ACL_DEVICES"); !count.empty()) made->devices = std::atoi(count.c_str());
    // FUNCTION:N:CODE
    const std::string failure = variable("FAKE_ACL_FAIL");
    if (const size_t colon = failure.find(':'); colon != std::string::npos) {
      made->failName = failure.substr(0, colon);
      made->failNameAt = std::atol(failure.c_str() + colon + 1);
      made->failCode = std::atoi(failure.c_str() + failure.rfind(':') + 1);
    }
    return made;
  }();
  return only;
}

void violation(const std::string& text) {
  world().violations.push_back(text);
  if (variable("FAKE_ACL_STRICT") == "abort") std::abort();
}

Error fail(Error code, const std::string& text) {
  lastError = "EZ9999: " + text;
  return code;
}

Call::Call(const char* name, bool needsInit) : lock_(world().mutex) {
  World& all = world();
  all.calls++;
  const long own = ++all.callsOf[name];
  if (needsInit && !all.isInitialized) {
    violation(std::string(name) + (all.wasFinalized ? " after aclFinalize" : " before aclInit"));
    code = fail(kUninitialized, "not initialized");
  } else if (all.calls == all.failAt || (all.failName == name && own == all.failNameAt)) {
    code = fail(all.failCode, std::string("injected failure of ") + name);
  }
}

Context* currentContext(const char* name, Error& code) {
  if (current == nullptr) {
    violation(std::string(name) + " on a thread without a context");
    code = fail(kRtNoContext, "no context");
    return nullptr;
  }
  if (world().contexts.count(current) == 0) {
    violation(std::string(name) + " in a context that was destroyed");
    code = fail(kRtParam, "context was destroyed");
    return nullptr;
  }
  return current;
}

}  // namespace fake

using namespace fake;

FAKE_ACL_API Error aclInit(const char*) {
  Call call("aclInit", false);
  if (!call.isOk()) return call.code;
  if (world().isInitialized) return fail(kRepeatInitialize, "initialized already");
  world().isInitialized = true;
  world().wasFinalized = false;
  return 0;
}

FAKE_ACL_API Error aclFinalize() {
  Call call("aclFinalize", false);
  World& all = world();
  if (!all.isInitialized) {
    violation("aclFinalize of a library that is not initialized");
    return fail(kRepeatFinalize, "finalized already");
  }
  const auto leak = [](size_t count, const char* what) {
    if (count > 0) violation("leak: " + std::to_string(count) + " " + what);
  };
  leak(all.blocks.size(), "blocks of device memory");
  leak(all.buffers.size(), "data buffers");
  leak(all.datasets.size(), "datasets");
  leak(all.descriptions.size(), "model descriptions");
  leak(all.models.size(), "models");
  leak(all.contexts.size(), "contexts");
  for (const auto& [device, count] : all.devicesSet) leak(static_cast<size_t>(count), "devices without aclrtResetDevice");
  all.isInitialized = false;
  all.wasFinalized = true;
  return call.code;
}

FAKE_ACL_API const char* aclrtGetSocName() {
  static const std::string name = variable("FAKE_ACL_SOC").empty() ? "Ascend310P3" : variable("FAKE_ACL_SOC");
  return name.c_str();
}

FAKE_ACL_API Error aclrtGetVersion(int32_t* major, int32_t* minor, int32_t* patch) {
  *major = 1;
#ifdef FAKE_ACL_OLD
  *minor = 1;
#else
  *minor = 17;
#endif
  *patch = 0;
  return 0;
}

#ifndef FAKE_ACL_OLD
FAKE_ACL_API const char* aclGetRecentErrMsg() {
  if (lastError.empty()) return nullptr;
  givenError.swap(lastError);
  lastError.clear();
  return givenError.c_str();
}
#endif

FAKE_ACL_API Error aclrtGetDeviceCount(uint32_t* count) {
  Call call("aclrtGetDeviceCount");
  if (call.isOk()) *count = static_cast<uint32_t>(world().devices);
  return call.code;
}

FAKE_ACL_API Error aclrtSetDevice(int32_t device) {
  Call call("aclrtSetDevice");
  if (!call.isOk()) return call.code;
  if (device < 0 || device >= world().devices) return fail(kRtDevice, "no such device");
  world().devicesSet[device]++;
  return 0;
}

FAKE_ACL_API Error aclrtResetDevice(int32_t device) {
  Call call("aclrtResetDevice");
  if (!call.isOk()) return call.code;
  if (world().devicesSet[device] == 0) {
    violation("aclrtResetDevice without aclrtSetDevice");
    return fail(kContextRelease, "device is not set");
  }
  world().devicesSet[device]--;
  return 0;
}

FAKE_ACL_API Error aclrtCreateContext(void** context, int32_t device) {
  Call call("aclrtCreateContext");
  if (!call.isOk()) return call.code;
  if (device < 0 || device >= world().devices) return fail(kRtDevice, "no such device");
  current = new Context{device, false};
  world().contexts.insert(current);
  *context = current;
  return 0;
}

FAKE_ACL_API Error aclrtDestroyContext(void* given) {
  Call call("aclrtDestroyContext");
  auto* context = static_cast<Context*>(given);
  if (world().contexts.erase(context) == 0) {
    violation("aclrtDestroyContext of what is no context, or was destroyed");
    return fail(kRtNoContext, "no such context");
  }
  for (const auto& [id, model] : world().models) {
    if (model->context == context) violation("a context was destroyed before model " + std::to_string(id));
  }
  if (current == context) current = nullptr;
  return call.code;  // never freed: stale pointers are to be recognized
}

FAKE_ACL_API Error aclrtSetCurrentContext(void* context) {
  Call call("aclrtSetCurrentContext");
  if (!call.isOk()) return call.code;
  if (world().contexts.count(static_cast<Context*>(context)) == 0) {
    violation("aclrtSetCurrentContext of what is no context, or was destroyed");
    return fail(kRtParam, "no such context");
  }
  current = static_cast<Context*>(context);
  return 0;
}

// Hooks for tests; the real library has none of them.

/** Copies the violations, one a line, and gives their number. */
FAKE_ACL_API size_t fakeAclViolations(char* text, size_t capacity) {
  const std::lock_guard<std::mutex> lock(world().mutex);
  std::string all;
  for (const std::string& one : world().violations) all += one + "\n";
  if (capacity > 0) {
    std::strncpy(text, all.c_str(), capacity - 1);
    text[capacity - 1] = '\0';
  }
  return world().violations.size();
}

/** What is alive: blocks, buffers, datasets, descriptions, models, contexts, devices set. */
FAKE_ACL_API size_t fakeAclLive() {
  const std::lock_guard<std::mutex> lock(world().mutex);
  World& all = world();
  size_t live = all.blocks.size() + all.buffers.size() + all.datasets.size() + all.descriptions.size() + all.models.size() + all.contexts.size();
  for (const auto& [device, count] : all.devicesSet) live += static_cast<size_t>(count);
  return live;
}

/** Calls so far. */
FAKE_ACL_API long fakeAclCalls() {
  const std::lock_guard<std::mutex> lock(world().mutex);
  return world().calls;
}

/** The n-th call from now fails with the code; 0 = none does. */
FAKE_ACL_API void fakeAclFailAt(long n, int code) {
  const std::lock_guard<std::mutex> lock(world().mutex);
  world().failAt = n == 0 ? 0 : world().calls + n;
  world().failCode = code;
}

/** Forgets the violations. */
FAKE_ACL_API void fakeAclReset() {
  const std::lock_guard<std::mutex> lock(world().mutex);
  world().violations.clear();
  world().failAt = 0;
}
