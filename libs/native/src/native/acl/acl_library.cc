#include "acl/acl_library.h"

#include <dlfcn.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

namespace mserve::acl {

namespace {

/** What is known of AscendCL in this process. Guarded by `mutex`. */
struct State {
  std::mutex mutex;
  std::unique_ptr<Library> library;
  size_t users = 0;
  bool isInitialized = false;
  bool isInitializedByUs = false;
};

State& state() {
  static auto& only = *new State();  // never destroyed: threads may outlive main()
  return only;
}

/** Only a test's stand-in for the library exports this. */
constexpr const char* kFakeMark = "fakeAclViolations";

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

using Handles = std::vector<void*>;

/** Opens all the names, from `folder` ('' = the loader's path). Nothing when one of them is missing; `problem` says why. */
Handles openAll(const std::string& folder, const std::vector<const char*>& names, std::string& problem) {
  Handles handles;
  for (const char* name : names) {
    const std::string path = folder.empty() ? name : folder + "/" + name;
    void* handle = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) {
      const char* reason = ::dlerror();
      problem = reason == nullptr ? path : reason;
      return {};
    }
    handles.push_back(handle);
  }
  return handles;
}

Handles openLibraries(Failure& failure) {
  std::string problem;
  if (const std::string path = variable("ACL_LIBRARY"); !path.empty()) {
    Handles handles = openAll("", {path.c_str()}, problem);
    if (handles.empty()) failure.set(FailureKind::Library, "the library that ACL_LIBRARY names cannot be loaded: " + problem);
    return handles;
  }
  std::string firstProblem;
  std::vector<std::string> folders{""};
  if (const std::string home = variable("ASCEND_HOME_PATH"); !home.empty()) folders.push_back(home + "/lib64");
  for (const std::string& folder : folders) {
    for (const auto& names : {std::vector<const char*>{"libascendcl.so"}, std::vector<const char*>{"libacl_rt.so", "libacl_mdl.so"}}) {
      Handles handles = openAll(folder, names, problem);
      if (!handles.empty()) return handles;
      if (firstProblem.empty()) firstProblem = problem;
    }
  }
  failure.set(FailureKind::Library, "Ascend devices cannot be used here: AscendCL is not installed, or not on the library path (" + firstProblem + ")");
  return {};
}

void* lookUp(const Handles& handles, const char* name) {
  for (void* handle : handles) {
    if (void* symbol = ::dlsym(handle, name)) return symbol;
  }
  return nullptr;
}

std::unique_ptr<Library> load(Failure& failure) {
  const Handles handles = openLibraries(failure);
  if (handles.empty()) return nullptr;
  if (lookUp(handles, kFakeMark) != nullptr && variable("NODE_ENV") != "test") {
    failure.set(FailureKind::Library, "the AscendCL library on the path is a stand-in for tests: it is used only where NODE_ENV is test");
    return nullptr;
  }
  auto library = std::make_unique<Library>();
  const char* missing = nullptr;
#define MSERVE_ACL_FILL(name, result, arguments) library->api.name = reinterpret_cast<result(*) arguments>(lookUp(handles, #name));
#define MSERVE_ACL_NEED(name, result, arguments)   \
  MSERVE_ACL_FILL(name, result, arguments)         \
  if (library->api.name == nullptr) missing = #name;
  MSERVE_ACL_FUNCTIONS(MSERVE_ACL_NEED)
  MSERVE_ACL_LATER_FUNCTIONS(MSERVE_ACL_FILL)
#undef MSERVE_ACL_NEED
#undef MSERVE_ACL_FILL
  if (missing == nullptr) return library;
  failure.set(FailureKind::Library, std::string("the library on the path is not AscendCL: it has no ") + missing);
  return nullptr;
}

/** Codes after which a device does no more work until its process is started again. */
bool isLost(Error code) {
  return code == 507010 || (code >= 507014 && code <= 507018) || code == 507053 || code == 507054 || code == 507901;
}

}  // namespace

const Library* Library::use(Failure& failure) {
  State& process = state();
  const std::lock_guard<std::mutex> lock(process.mutex);
  if (process.library == nullptr) process.library = load(failure);
  if (process.library == nullptr) return nullptr;
  const Library& library = *process.library;
  if (!process.isInitialized) {
    const Error code = library.api.aclInit(nullptr);
    if (code == kStubLibrary) {
      failure.set(FailureKind::Library, "the AscendCL library on the path is the compiler's stub; put the driver's own library first");
      return nullptr;
    }
    if (code != kRepeatedInitialize && !library.check(code, "AscendCL cannot be initialized", FailureKind::Library, failure)) return nullptr;
    process.isInitialized = true;
    process.isInitializedByUs = code == 0;
  }
  process.users++;
  return &library;
}

bool Library::isInstalled(Failure& failure) { return !openLibraries(failure).empty(); }

void Library::release() {
  State& process = state();
  const std::lock_guard<std::mutex> lock(process.mutex);
  process.users--;
}

void Library::end() {
  State& process = state();
  const std::lock_guard<std::mutex> lock(process.mutex);
  if (!process.isInitialized || process.users > 0) return;
  if (process.isInitializedByUs) process.library->api.aclFinalize();
  process.isInitialized = false;
  process.isInitializedByUs = false;
}

bool Library::check(Error code, const char* what, FailureKind kind, Failure& failure) const {
  if (code == 0) return true;
  std::string text = std::string(what) + " (AscendCL " + std::to_string(code) + ")";
  // Right after the failure, on its thread: the text is cleared by reading it
  const char* message = api.aclGetRecentErrMsg == nullptr ? nullptr : api.aclGetRecentErrMsg();
  if (message != nullptr && *message != '\0') text += std::string(": ") + message;
  failure.set(isLost(code) ? FailureKind::Lost : kind, std::move(text));
  return false;
}

}  // namespace mserve::acl
