#include "thread_cores.h"

#ifdef __linux__
#include <sched.h>
#endif

#include <cerrno>
#include <cstring>
#include <string>

namespace mserve {

#ifdef __linux__

bool useCores(const std::vector<int>& coreIds, Failure& failure) {
  if (coreIds.empty()) return true;
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  const bool isKnown = ::sched_getaffinity(0, sizeof(allowed), &allowed) == 0;
  cpu_set_t cores;
  CPU_ZERO(&cores);
  for (const int core : coreIds) {
    if (core < 0 || core >= CPU_SETSIZE || (isKnown && !CPU_ISSET(core, &allowed))) {
      failure.set(FailureKind::Device, "CPU core " + std::to_string(core) + " is not among those that this process may use");
      return false;
    }
    CPU_SET(core, &cores);
  }
  if (::sched_setaffinity(0, sizeof(cores), &cores) == 0) return true;
  failure.set(FailureKind::Device, std::string("threads cannot be bound to CPU cores: ") + std::strerror(errno));
  return false;
}

#else

bool useCores(const std::vector<int>& coreIds, Failure& failure) {
  if (coreIds.empty()) return true;
  failure.set(FailureKind::Device, "threads can be bound to CPU cores on Linux only");
  return false;
}

#endif

}  // namespace mserve
