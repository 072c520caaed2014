#include "nvidia/cuda_driver.h"

#include <dlfcn.h>

#include <array>
#include <filesystem>
#include <vector>

namespace mserve::nvidia {

namespace {

namespace fs = std::filesystem;

/** The part of the driver's C API that is used; every call returns 0 or an error. Versioned names are the current ones since CUDA 3.2. */
struct Driver {
  int (*init)(unsigned flags) = nullptr;
  int (*version)(int*) = nullptr;
  int (*count)(int*) = nullptr;
  int (*get)(int* device, int ordinal) = nullptr;
  int (*name)(char*, int length, int device) = nullptr;
  int (*memory)(size_t*, int device) = nullptr;
  int (*errorText)(int error, const char**) = nullptr;
};

template <typename Function>
bool lookUp(void* handle, const char* name, Function& function) {
  function = reinterpret_cast<Function>(::dlsym(handle, name));
  return function != nullptr;
}

/** Null when there is no driver; `problem` says why. */
void* openDriver(Driver& driver, std::string& problem) {
  void* handle = ::dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    const char* reason = ::dlerror();
    problem = std::string("NVIDIA's driver is not installed (") + (reason == nullptr ? "libcuda.so.1" : reason) + ")";
    return nullptr;
  }
  const bool isComplete = lookUp(handle, "cuInit", driver.init) && lookUp(handle, "cuDriverGetVersion", driver.version) &&
                          lookUp(handle, "cuDeviceGetCount", driver.count) && lookUp(handle, "cuDeviceGet", driver.get) &&
                          lookUp(handle, "cuDeviceGetName", driver.name) && lookUp(handle, "cuDeviceTotalMem_v2", driver.memory) &&
                          lookUp(handle, "cuGetErrorString", driver.errorText);
  if (isComplete) return handle;
  problem = "the libcuda.so.1 on the loader's path is not NVIDIA's driver";
  return nullptr;
}

bool check(const Driver& driver, int error, const char* what, ProviderReport& report) {
  if (error == 0) return true;
  const char* text = nullptr;
  driver.errorText(error, &text);
  report.problems.push_back(std::string(what) + " (CUDA " + std::to_string(error) + (text == nullptr ? "" : std::string(": ") + text) + ")");
  return false;
}

/** In the order in which they need one another. What follows is the version. */
constexpr std::array<const char*, 9> kToolkit{"libnvJitLink.so.", "libcudart.so.", "libcublasLt.so.", "libcublas.so.",      "libcurand.so.",
                                              "libcufft.so.",     "libcudnn.so.",  "libnvinfer.so.",  "libnvonnxparser.so."};

/** Folders in which pip's packages of NVIDIA keep their libraries. */
std::vector<fs::path> toolkitFolders(const fs::path& packages) {
  std::vector<fs::path> folders{packages / "tensorrt_libs"};
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(packages / "nvidia", ignored)) folders.push_back(entry.path() / "lib");
  return folders;
}

}  // namespace

void examineDriver(ProviderReport& report) {
  Driver driver;
  std::string problem;
  if (openDriver(driver, problem) == nullptr) {
    report.problems.push_back(problem);
    return;
  }
  int version = 0;
  if (driver.version(&version) == 0) report.driver = "CUDA " + std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
  int count = 0;
  if (!check(driver, driver.init(0), "NVIDIA's driver cannot be used", report)) return;
  if (!check(driver, driver.count(&count), "NVIDIA's devices cannot be counted", report)) return;
  for (int ordinal = 0; ordinal < count; ordinal++) {
    int device = 0;
    std::array<char, 256> name{};
    size_t memoryBytes = 0;
    if (!check(driver, driver.get(&device, ordinal), "an NVIDIA device cannot be asked", report)) return;
    driver.name(name.data(), static_cast<int>(name.size()) - 1, device);
    driver.memory(&memoryBytes, device);
    report.devices.push_back({ordinal, name.data(), memoryBytes});
  }
  if (count == 0) report.problems.push_back("NVIDIA's driver is installed, but has no device");
}

void loadToolkitBeside(const std::string& libraryPath) {
  const fs::path packages = fs::path(libraryPath).parent_path().parent_path().parent_path();
  if (packages.empty() || packages == packages.root_path()) return;
  const std::vector<fs::path> folders = toolkitFolders(packages);
  for (const char* name : kToolkit) {
    for (const fs::path& folder : folders) {
      std::error_code ignored;
      for (const auto& file : fs::directory_iterator(folder, ignored)) {
        if (file.path().filename().string().rfind(name, 0) == 0) ::dlopen(file.path().c_str(), RTLD_NOW | RTLD_GLOBAL);
      }
    }
  }
}

}  // namespace mserve::nvidia
