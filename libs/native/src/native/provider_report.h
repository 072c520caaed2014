#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace mserve {

/** One device as its driver tells of it. */
struct DeviceReport {
  int id = 0;  // as requests call it
  std::string name;
  uint64_t memoryBytes = 0;  // 0: not told
};

/** What this machine has of one provider. */
struct ProviderReport {
  std::string driver;   // its version, '' where there is none
  std::string runtime;  // what would run the models, with its version
  std::vector<DeviceReport> devices;
  std::vector<std::string> problems;  // a sentence each; none: models can run on the devices
};

}  // namespace mserve
