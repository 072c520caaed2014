#include "backend_registry.h"

#include <algorithm>

#include "acl/acl_backend.h"
#include "onnxruntime/ort_backend.h"

namespace mserve {

namespace {

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

}  // namespace

const std::vector<Backend*>& backends() {
  static const auto& all = *new std::vector<Backend*>{&onnxRuntimeBackend(), &aclBackend()};  // never destroyed: a thread may still be opening a model at exit
  return all;
}

Backend* findBackend(const DeviceRequest& device, Failure& failure) {
  std::vector<std::string> names;
  for (Backend* backend : backends()) {
    names.push_back(backend->name());
    if (device.backend != backend->name()) continue;
    const std::vector<std::string> providers = backend->providers();
    if (std::find(providers.begin(), providers.end(), device.provider) != providers.end()) return backend;
    failure.set(FailureKind::Device, "backend \"" + device.backend + "\" has no provider \"" + device.provider + "\"; it has: " + joined(providers));
    return nullptr;
  }
  failure.set(FailureKind::Device, "there is no backend \"" + device.backend + "\"; there are: " + joined(names));
  return nullptr;
}

}  // namespace mserve
