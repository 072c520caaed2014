#include "onnxruntime/ort_backend.h"

#include "onnxruntime/ort_library.h"
#include "onnxruntime/ort_providers.h"
#include "onnxruntime/ort_session.h"

namespace mserve {

namespace {

class OrtBackend : public Backend {
 public:
  const char* name() const override { return "onnxruntime"; }
  std::vector<std::string> providers() const override { return ort::providerNames(); }

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
