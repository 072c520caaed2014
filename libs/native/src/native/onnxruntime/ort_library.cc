#include "onnxruntime/ort_library.h"

#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>

#include "traps/division_guard.h"

namespace mserve::ort {

namespace {

struct Loaded {
  std::mutex mutex;
  std::map<std::string, std::unique_ptr<Library>> byPath;
};

Loaded& allLoaded() {
  static auto& all = *new Loaded();  // never destroyed: threads may outlive main()
  return all;
}

double numberOf(const char* text) { return text == nullptr ? 0 : std::strtod(text, nullptr); }

}  // namespace

void Library::forEach(const std::function<void(const Library&)>& visit) {
  std::lock_guard<std::mutex> lock(allLoaded().mutex);
  for (const auto& [path, library] : allLoaded().byPath) visit(*library);
}

void Library::findArena(const Session* session) const {
  if (api.getAllocatorStats == nullptr || arena_.load() != nullptr) return;
  Allocator* found = nullptr;
  Failure ignored;
  if (!check(api.createAllocator(session, cpuMemory, &found), FailureKind::Load, ignored)) return;
  Allocator* none = nullptr;
  arena_.compare_exchange_strong(none, found);  // never released: it is the process' one; of two that were found at a time one is lost
}

void Library::addArena(ArenaUse& use) const {
  const Allocator* arena = arena_.load();
  if (arena == nullptr) return;
  KeyValues* stats = nullptr;
  Failure ignored;
  if (!check(api.getAllocatorStats(arena, &stats), FailureKind::Run, ignored) || stats == nullptr) return;
  use.isKnown = true;
  use.inUse += numberOf(api.getKeyValue(stats, "InUse"));
  use.allocated += numberOf(api.getKeyValue(stats, "TotalAllocated"));
  use.peak += numberOf(api.getKeyValue(stats, "MaxInUse"));
  api.releaseKeyValues(stats);
}

const Library* Library::load(const std::string& path, Failure& failure) {
  std::lock_guard<std::mutex> lock(allLoaded().mutex);
  auto& loaded = allLoaded().byPath;
  const auto found = loaded.find(path);
  if (found != loaded.end()) return found->second.get();
  std::unique_ptr<Library> library = open(path, failure);
  if (library == nullptr) return nullptr;
  return loaded.emplace(path, std::move(library)).first->second.get();
}

std::unique_ptr<Library> Library::open(const std::string& path, Failure& failure) {
  void* handle = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    const char* reason = ::dlerror();
    failure.set(FailureKind::Library, std::string("ONNX Runtime's library cannot be loaded: ") + (reason == nullptr ? path : reason));
    return nullptr;
  }
  auto getBase = reinterpret_cast<const ApiBase* (*)()>(::dlsym(handle, "OrtGetApiBase"));
  const ApiBase* base = getBase == nullptr ? nullptr : getBase();
  if (base == nullptr) {
    failure.set(FailureKind::Library, "the library is not ONNX Runtime: it has no OrtGetApiBase");
    return nullptr;
  }
  int major = 0;
  int minor = 0;
  const std::string version = base->getVersionString();
  const bool isNumber = std::sscanf(version.c_str(), "%d.%d", &major, &minor) == 2;
  // Major 2 might renumber the table: our places are only known to hold for 1.x.
  if (!isNumber || major != 1 || minor < static_cast<int>(kApiVersion)) {
    failure.set(FailureKind::Library, "ONNX Runtime " + version + " cannot be used: 1.17 or a later 1.x is needed");
    return nullptr;
  }
  const bool hasExternalFiles = minor >= static_cast<int>(kApiVersionExternalFiles);
  const bool hasLoadCancellation = minor >= static_cast<int>(kApiVersionLoadCancellation);
  const bool hasAllocatorStats = minor >= static_cast<int>(kApiVersionAllocatorStats);
  const uint32_t wanted = hasAllocatorStats      ? kApiVersionAllocatorStats
                          : hasLoadCancellation ? kApiVersionLoadCancellation
                          : hasExternalFiles    ? kApiVersionExternalFiles
                                                : kApiVersion;
  const void* const* table = base->getApi(wanted);
  if (table == nullptr) {
    failure.set(FailureKind::Library, "ONNX Runtime " + version + " does not offer version " + std::to_string(wanted) + " of its C API");
    return nullptr;
  }
  auto library = std::make_unique<Library>();
  library->version = version;
  library->path = path;
#define MSERVE_ORT_FILL(place, name, result, arguments) \
  library->api.name = reinterpret_cast<result(*) arguments>(const_cast<void*>(table[place]));
  MSERVE_ORT_FUNCTIONS(MSERVE_ORT_FILL)
  if (hasExternalFiles) {
    MSERVE_ORT_EXTERNAL_FILES(MSERVE_ORT_FILL)
  }
  if (hasLoadCancellation) {
    MSERVE_ORT_LOAD_CANCELLATION(MSERVE_ORT_FILL)
  }
  if (hasAllocatorStats) {
    MSERVE_ORT_ALLOCATOR_STATS(MSERVE_ORT_FILL)
  }
#undef MSERVE_ORT_FILL
  guardDivisionsOf(reinterpret_cast<const void*>(getBase));
  return library->prepare(failure) ? std::move(library) : nullptr;
}

bool Library::prepare(Failure& failure) {
  // Errors come back as statuses; logging them too would let one client fill the log.
  return check(api.createEnv(kLogFatal, "mserve", &env), FailureKind::Library, failure) &&
         check(api.createCpuMemoryInfo(kDeviceAllocator, kMemoryDefault, &cpuMemory), FailureKind::Library, failure) &&
         check(api.getDefaultAllocator(&allocator), FailureKind::Library, failure) && shareArena(failure);
}

/**
 * One arena on the CPU for all sessions of the process: what runs allocate is as much as is in use at one time, not the sum of what each model ever needed.
 * Measured with four models and two replicas after load: 509 MB (PSS), with an arena per model 586; CPU per run is the same.
 */
bool Library::shareArena(Failure& failure) {
  MemoryInfo* memory = nullptr;
  if (!check(api.createCpuMemoryInfo(kArenaAllocator, kMemoryDefault, &memory), FailureKind::Library, failure)) return false;
  const bool isShared = check(api.registerAllocator(env, memory, nullptr), FailureKind::Library, failure);
  api.releaseMemoryInfo(memory);
  return isShared;
}

bool Library::check(Status* status, FailureKind kind, Failure& failure) const {
  if (status == nullptr) return true;
  failure.set(kind, api.getErrorMessage(status));
  failure.runtimeCode = api.getErrorCode(status);
  api.releaseStatus(status);
  return false;
}

}  // namespace mserve::ort
