#include "onnxruntime/ort_backend.h"

#include "nvidia/cuda_driver.h"
#include "onnxruntime/ort_library.h"
#include "onnxruntime/ort_providers.h"
#include "onnxruntime/ort_session.h"

namespace mserve {

namespace {

class OrtBackend : public Backend {
 public:
  const char* name() const override { return "onnxruntime"; }
  std::vector<std::string> providers() const override { return ort::providerNames(); }

  void examine(const std::string& provider, const std::string& libraryPath, bool driverOnly, ProviderReport& report) override {
    if (provider == "cpu") report.devices.push_back({0, "CPU", 0});
    if (provider == "cuda" || provider == "tensorrt") nvidia::examineDriver(report);
    if (driverOnly) return;
    Failure failure;
    const ort::Library* library = ort::Library::load(libraryPath, failure);
    if (library != nullptr) {
      report.runtime = "ONNX Runtime " + library->version;
      ort::OwnedSessionOptions options(*library);
      const DeviceRequest device{name(), provider, 0, {}};
      if (library->check(library->api.createSessionOptions(options.out()), FailureKind::Device, failure)) ort::useDevice(*library, device, options.get(), failure);
    }
    if (failure) report.problems.push_back(failure.message);
  }

  void addArena(ArenaUse& use) override {
    ort::Library::forEach([&use](const ort::Library& library) { library.addArena(use); });
  }

  std::unique_ptr<BackendSession> open(const OpenRequest& request, LoadCancellation& cancellation, Failure& failure) override {
    const ort::Library* library = ort::Library::load(request.libraryPath, failure);
    if (library == nullptr) return nullptr;
    auto session = std::make_unique<ort::OrtSession>(*library);
    if (!session->load(request, cancellation, failure)) return nullptr;
    return session;
  }
};

}  // namespace

Backend& onnxRuntimeBackend() {
  static auto& backend = *new OrtBackend();  // never destroyed: a thread may still be opening a model at exit
  return backend;
}

}  // namespace mserve
