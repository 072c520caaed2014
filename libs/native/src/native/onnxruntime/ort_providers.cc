#include "onnxruntime/ort_providers.h"

#include "ascend_claim.h"
#include "nvidia/cuda_driver.h"

namespace mserve::ort {

namespace {

using Settings = std::vector<std::pair<std::string, std::string>>;

/** The functions of one provider: they have the same form. */
struct Provider {
  const char* name;
  const char* needs;  // for texts
  Status* (*Api::*create)(ProviderOptions**);
  Status* (*Api::*update)(ProviderOptions*, const char* const*, const char* const*, size_t);
  Status* (*Api::*append)(SessionOptions*, const ProviderOptions*);
  void (*Api::*release)(ProviderOptions*);
};

constexpr const char* kNvidiaNeeds = "a GPU build of ONNX Runtime, NVIDIA's driver, CUDA and cuDNN";
constexpr Provider kCuda{"cuda", kNvidiaNeeds, &Api::createCudaOptions, &Api::updateCudaOptions, &Api::appendCuda, &Api::releaseCudaOptions};
constexpr Provider kTensorRt{"tensorrt", "a GPU build of ONNX Runtime, NVIDIA's driver, CUDA, cuDNN and TensorRT", &Api::createTensorRtOptions,
                             &Api::updateTensorRtOptions, &Api::appendTensorRt, &Api::releaseTensorRtOptions};
constexpr const char* kCannNeeds = "a CANN build of ONNX Runtime and Huawei's CANN toolkit";
constexpr Provider kCann{"cann", kCannNeeds, &Api::createCannOptions, &Api::updateCannOptions, &Api::appendCann,
                         &Api::releaseCannOptions};

/** ONNX Runtime's reason without the places in its sources that come before it, and the device and machine that come after. */
std::string plainReason(const std::string& text) {
  size_t begin = 0;
  if (const size_t mark = text.find("[ONNXRuntimeError] : "); mark != std::string::npos) {
    // "[ONNXRuntimeError] : 1 : FAIL : what happened"
    const size_t code = text.find(" : ", mark + 21);
    const size_t name = code == std::string::npos ? code : text.find(" : ", code + 3);
    if (name != std::string::npos) begin = name + 3;
  }
  size_t end = text.find(" ; GPU=", begin);
  if (end == std::string::npos) end = text.size();
  while (end > begin && (text[end - 1] == '\n' || text[end - 1] == ' ')) end--;
  return text.substr(begin, end - begin);
}

bool append(const Library& library, const Provider& provider, const Settings& settings, SessionOptions* options, Failure& failure) {
  const Api& api = library.api;
  std::vector<const char*> keys;
  std::vector<const char*> values;
  for (const auto& [key, value] : settings) {
    keys.push_back(key.c_str());
    values.push_back(value.c_str());
  }
  if (provider.needs != kCannNeeds) nvidia::loadToolkitBeside(library.path);
  ProviderOptions* made = nullptr;
  bool isDone = library.check((api.*provider.create)(&made), FailureKind::Device, failure);
  // The first call that looks for the provider's library is the second one
  isDone = isDone && library.check((api.*provider.update)(made, keys.data(), values.data(), keys.size()), FailureKind::Device, failure);
  isDone = isDone && library.check((api.*provider.append)(options, made), FailureKind::Device, failure);
  if (made != nullptr) (api.*provider.release)(made);
  if (!isDone) {
    failure.message = std::string("provider \"") + provider.name + "\" cannot be used here; it needs " + provider.needs + ": " + plainReason(failure.message);
  }
  return isDone;
}

bool refuse(Failure& failure, const std::string& text) {
  failure.set(FailureKind::Device, text);
  return false;
}

/** What authors say (GpuOptions, AclOptions) in the provider's own words; other names are the provider's. */
bool translate(const std::string& provider, const std::string& key, const std::string& value, Settings& settings, Failure& failure) {
  const bool isNvidia = provider == kCuda.name || provider == kTensorRt.name;
  if (isNvidia && key == "precisionMode") {
    if (value != "fp16" && value != "origin") return refuse(failure, "precisionMode must be origin or fp16, got \"" + value + "\"");
    if (provider == kTensorRt.name) {
      settings.emplace_back("trt_fp16_enable", value == "fp16" ? "1" : "0");
    } else if (value == "fp16") {
      return refuse(failure, "provider \"cuda\" has no precisionMode fp16; provider \"tensorrt\" has");
    } else {
      settings.emplace_back("use_tf32", "0");  // on by default: it would round float32 to 10 bits
    }
    return true;
  }
  if (provider == kCann.name) {
    if (key == "precisionMode" || key == "opSelectImplMode") {
      settings.emplace_back(key == "precisionMode" ? "precision_mode" : "op_select_impl_mode", value);
      return true;
    }
    for (const char* name : {"insertOpCfgPath", "inputFormat", "inputShape", "outputType"}) {
      if (key == name) return refuse(failure, "provider \"cann\" has no option \"" + key + "\": it only applies when a model is compiled to an OM file");
    }
  }
  settings.emplace_back(key, value);
  return true;
}

}  // namespace

std::vector<std::string> providerNames() { return {"cpu", kCuda.name, kTensorRt.name, kCann.name}; }

bool useDevice(const Library& library, const DeviceRequest& device, SessionOptions* options, Failure& failure) {
  if (device.provider == "cpu") {
    if (device.options.empty()) return true;
    return refuse(failure, "provider \"cpu\" has no option \"" + device.options[0].first + "\"");
  }
  const std::string id = std::to_string(device.id);
  Settings settings{{"device_id", id}};
  bool mayFallBack = false;
  for (const auto& [key, value] : device.options) {
    if (key == "cpuFallback") {
      if (value != "allow" && value != "refuse") return refuse(failure, "cpuFallback must be allow or refuse, got \"" + value + "\"");
      mayFallBack = value == "allow";
    } else if (!translate(device.provider, key, value, settings, failure)) {
      return false;
    }
  }
  if (!mayFallBack && !library.check(library.api.addSessionConfig(options, "session.disable_cpu_ep_fallback", "1"), FailureKind::Device, failure)) return false;
  if (device.provider == kCuda.name) return append(library, kCuda, settings, options, failure);
  // What TensorRT does not take runs on the same GPU by CUDA
  if (device.provider == kTensorRt.name) return append(library, kTensorRt, settings, options, failure) && append(library, kCuda, {{"device_id", id}}, options, failure);
  return claimAscend("cann", failure) && append(library, kCann, settings, options, failure);
}

}  // namespace mserve::ort
