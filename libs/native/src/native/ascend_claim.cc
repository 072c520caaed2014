#include "ascend_claim.h"

#include <mutex>
#include <string>

namespace mserve {

bool claimAscend(const char* user, Failure& failure) {
  static std::mutex mutex;
  static auto& owner = *new std::string();  // never destroyed: threads may outlive main()
  const std::lock_guard<std::mutex> lock(mutex);
  if (owner.empty()) owner = user;
  if (owner == user) return true;
  failure.set(FailureKind::Device, "the Ascend devices of this process are used by " + owner + ": models for " + user + " need another device-worker");
  return false;
}

}  // namespace mserve
