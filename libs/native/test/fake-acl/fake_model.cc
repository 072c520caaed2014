#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "fake.h"

namespace fake {
namespace {

struct Dims {
  char name[128];
  size_t count;
  int64_t dims[128];
};

struct Gears {
  size_t count;
  uint64_t batches[128];
};

constexpr const char* kGearInput = "ascend_mbatch_shape_data";

std::vector<int64_t> withBatch(std::vector<int64_t> dims, uint64_t batch) {
  for (int64_t& dim : dims) {
    if (dim < 0) dim = static_cast<int64_t>(batch);
  }
  return dims;
}

uint64_t largest(const Graph& graph) { return graph.gears.empty() ? 1 : *std::max_element(graph.gears.begin(), graph.gears.end()); }

/** Of the largest gear; 0 for a shape that is decided at run time. */
size_t sizeOf(const Graph& graph, const Tensor& tensor) {
  const bool isOpen = std::any_of(tensor.dims.begin(), tensor.dims.end(), [](int64_t dim) { return dim < 0; });
  if (isOpen && graph.gears.empty()) return 0;
  return countOf(withBatch(tensor.dims, largest(graph))) * elementSize(tensor.dtype);
}

/** The description, when it is alive and filled. */
const Graph* graphOf(const void* given, const char* name) {
  auto* description = static_cast<Description*>(const_cast<void*>(given));
  if (world().descriptions.count(description) == 0) {
    violation(std::string(name) + " of a description that was destroyed");
    return nullptr;
  }
  return description->graph.get();
}

const Tensor* tensorOf(const Graph* graph, bool isInput, size_t index) {
  if (graph == nullptr) return nullptr;
  const std::vector<Tensor>& all = isInput ? graph->inputs : graph->outputs;
  return index < all.size() ? &all[index] : nullptr;
}

Error dimsOf(const char* name, const void* description, bool isInput, size_t index, uint64_t batch, Dims* out) {
  Call call(name);
  if (!call.isOk()) return call.code;
  const Tensor* tensor = tensorOf(graphOf(description, name), isInput, index);
  if (tensor == nullptr) return fail(kInvalidParam, "index");
  *out = Dims{};
  std::snprintf(out->name, sizeof(out->name), "%s", tensor->name.c_str());
  const std::vector<int64_t> dims = batch == 0 ? tensor->dims : withBatch(tensor->dims, batch);
  out->count = dims.size();
  std::copy(dims.begin(), dims.end(), out->dims);
  return 0;
}

size_t sizeAt(const char* name, const void* description, bool isInput, size_t index) {
  Call call(name);
  const Graph* graph = call.isOk() ? graphOf(description, name) : nullptr;
  const Tensor* tensor = tensorOf(graph, isInput, index);
  return tensor == nullptr ? 0 : sizeOf(*graph, *tensor);
}

const char* nameAt(const char* name, const void* description, bool isInput, size_t index) {
  Call call(name);
  const Tensor* tensor = tensorOf(call.isOk() ? graphOf(description, name) : nullptr, isInput, index);
  return tensor == nullptr ? "" : tensor->name.c_str();
}

int typeAt(const char* name, const void* description, bool isInput, size_t index) {
  Call call(name);
  const Tensor* tensor = tensorOf(call.isOk() ? graphOf(description, name) : nullptr, isInput, index);
  return tensor == nullptr ? -1 : typeNumber(tensor->dtype);
}

/** The memory of a dataset's buffer; null and a code when the real library would fail on it. */
uint8_t* memoryOf(const DataBuffer& buffer, size_t needed, const Context& context, const std::string& what, Block*& block, Error& code) {
  if (buffer.size != needed) violation(what + ": the buffer has " + std::to_string(buffer.size) + " bytes, the model takes " + std::to_string(needed));
  if (buffer.size + 64 < needed) {
    code = fail(kModelParam, "buffer is too small");
    return nullptr;
  }
  block = blockOf(buffer.bytes, std::min(needed, buffer.size));
  if (block == nullptr) {
    violation(what + ": not within one live block of device memory");
    code = fail(kModelExecute, "memory access of the device failed");
    return nullptr;
  }
  if (block->device != context.device) violation(what + ": memory of another device");
  return aliasOf(buffer.bytes, *block);
}

Error executeModel(Call& call, uint32_t id, const Dataset* inputs, Dataset* outputs) {
  Error code = 0;
  const Context* context = currentContext("aclmdlExecute", code);
  if (context == nullptr) return code;
  const auto found = world().models.find(id);
  if (found == world().models.end()) {
    violation(world().unloaded.count(id) > 0 ? "aclmdlExecute of a model that was unloaded" : "aclmdlExecute of what is no model");
    return fail(kModelId, "no such model");
  }
  const std::shared_ptr<Model> model = found->second;
  const Graph& graph = *model->graph;
  if (model->context != context) {
    violation("aclmdlExecute in another context than the model's");
    return fail(kRtModelContext, "model belongs to another context");
  }
  if (model->isBusy) violation("aclmdlExecute of a model that is executing");
  if (world().datasets.count(const_cast<Dataset*>(inputs)) == 0 || world().datasets.count(outputs) == 0) {
    violation("aclmdlExecute with a dataset that was destroyed");
    return fail(kModelParam, "dataset");
  }
  if (inputs->buffers.size() != graph.inputs.size() || outputs->buffers.size() != graph.outputs.size()) {
    violation("aclmdlExecute with a wrong number of buffers");
    return fail(kModelParam, "number of buffers");
  }
  const uint64_t gear = inputs->gear == 0 ? largest(graph) : inputs->gear;
  if (!graph.gears.empty() && inputs->gear == 0) violation("aclmdlExecute of a model with gears without aclmdlSetDynamicBatchSize");
  std::map<std::string, Tensor> tensors;
  for (size_t i = 0; i < graph.inputs.size(); i++) {
    Block* block = nullptr;
    const uint8_t* bytes = memoryOf(*inputs->buffers[i], sizeOf(graph, graph.inputs[i]), *context, "input " + std::to_string(i), block, code);
    if (bytes == nullptr) return code;
    if (!block->isWritten) violation("aclmdlExecute with input " + std::to_string(i) + " never written");
    Tensor tensor = graph.inputs[i];
    tensor.dims = withBatch(tensor.dims, gear);
    decode(bytes, tensor);
    tensors[tensor.name] = std::move(tensor);
  }
  model->isBusy = true;
  model->executions++;
  const bool failsNow = graph.failAt == model->executions;
  call.unlock();
  if (graph.sleepUs > 0) ::usleep(static_cast<useconds_t>(graph.sleepUs));
  const std::string problem = execute(graph, tensors);
  call.lock();
  model->isBusy = false;
  model->gear = gear;
  const_cast<Dataset*>(inputs)->gear = 0;  // so that a backend that does not set it again is told
  if (world().models.count(id) == 0) violation("aclmdlUnload of a model that is executing");
  if (failsNow) return fail(graph.failCode, "the device failed on execution " + std::to_string(model->executions));
  if (!problem.empty()) return fail(kModelExecute, problem);
  for (size_t i = 0; i < graph.outputs.size(); i++) {
    Block* block = nullptr;
    uint8_t* bytes = memoryOf(*outputs->buffers[i], sizeOf(graph, graph.outputs[i]), *context, "output " + std::to_string(i), block, code);
    if (bytes == nullptr) return code;
    block->isWritten = true;
    encode(tensors[graph.outputOf[i]], graph.outputs[i].dtype, bytes);
  }
  return 0;
}

}  // namespace
}  // namespace fake

using namespace fake;

FAKE_ACL_API Error aclmdlLoadFromFile(const char* path, uint32_t* id) {
  Call call("aclmdlLoadFromFile");
  if (!call.isOk()) return call.code;
  Error code = 0;
  const Context* context = currentContext("aclmdlLoadFromFile", code);
  if (context == nullptr) return code;
  std::string text;
  std::shared_ptr<Graph> graph = readGraph(path, code, text);
  if (graph == nullptr) return fail(code, text);
  *id = world().nextModel++;
  world().models[*id] = std::make_shared<Model>(Model{std::move(graph), context});
  return 0;
}

FAKE_ACL_API Error aclmdlUnload(uint32_t id) {
  Call call("aclmdlUnload");
  Error code = 0;
  const Context* context = currentContext("aclmdlUnload", code);
  if (context == nullptr) return code;
  const auto found = world().models.find(id);
  if (found == world().models.end()) {
    violation(world().unloaded.count(id) > 0 ? "aclmdlUnload twice" : "aclmdlUnload of what is no model");
    return fail(kModelId, "no such model");
  }
  if (found->second->context != context) violation("aclmdlUnload in another context than the model's");
  if (found->second->isBusy) violation("aclmdlUnload of a model that is executing");
  world().models.erase(found);
  world().unloaded.insert(id);
  return call.code;
}

FAKE_ACL_API Description* aclmdlCreateDesc() {
  Call call("aclmdlCreateDesc");
  if (!call.isOk()) return nullptr;
  return *world().descriptions.insert(new Description()).first;
}

FAKE_ACL_API Error aclmdlDestroyDesc(Description* description) {
  Call call("aclmdlDestroyDesc");
  if (world().descriptions.erase(description) == 0) {
    violation("aclmdlDestroyDesc twice");
    return fail(kInvalidParam, "no such description");
  }
  return call.code;  // never freed: stale pointers are to be recognized
}

FAKE_ACL_API Error aclmdlGetDesc(Description* description, uint32_t id) {
  Call call("aclmdlGetDesc");
  if (!call.isOk()) return call.code;
  const auto found = world().models.find(id);
  if (found == world().models.end()) return fail(kModelId, "no such model");
  description->graph = found->second->graph;
  description->model = id;
  return 0;
}

FAKE_ACL_API size_t aclmdlGetNumInputs(Description* description) {
  Call call("aclmdlGetNumInputs");
  const Graph* graph = graphOf(description, "aclmdlGetNumInputs");
  return graph == nullptr ? 0 : graph->inputs.size();
}

FAKE_ACL_API size_t aclmdlGetNumOutputs(Description* description) {
  Call call("aclmdlGetNumOutputs");
  const Graph* graph = graphOf(description, "aclmdlGetNumOutputs");
  return graph == nullptr ? 0 : graph->outputs.size();
}

FAKE_ACL_API size_t aclmdlGetInputSizeByIndex(Description* description, size_t index) { return sizeAt("aclmdlGetInputSizeByIndex", description, true, index); }
FAKE_ACL_API size_t aclmdlGetOutputSizeByIndex(Description* description, size_t index) { return sizeAt("aclmdlGetOutputSizeByIndex", description, false, index); }
FAKE_ACL_API Error aclmdlGetInputDimsV2(const Description* description, size_t index, Dims* dims) {
  return dimsOf("aclmdlGetInputDimsV2", description, true, index, 0, dims);
}
FAKE_ACL_API Error aclmdlGetOutputDims(const Description* description, size_t index, Dims* dims) {
  const Graph* graph = description->graph.get();
  return dimsOf("aclmdlGetOutputDims", description, false, index, graph->gears.empty() ? 0 : largest(*graph), dims);
}
FAKE_ACL_API Error aclmdlGetCurOutputDims(const Description* description, size_t index, Dims* dims) {
  const auto found = world().models.find(description->model);
  return dimsOf("aclmdlGetCurOutputDims", description, false, index, found == world().models.end() ? 0 : found->second->gear, dims);
}
FAKE_ACL_API const char* aclmdlGetInputNameByIndex(const Description* description, size_t index) { return nameAt("aclmdlGetInputNameByIndex", description, true, index); }
FAKE_ACL_API const char* aclmdlGetOutputNameByIndex(const Description* description, size_t index) { return nameAt("aclmdlGetOutputNameByIndex", description, false, index); }
FAKE_ACL_API int aclmdlGetInputDataType(const Description* description, size_t index) { return typeAt("aclmdlGetInputDataType", description, true, index); }
FAKE_ACL_API int aclmdlGetOutputDataType(const Description* description, size_t index) { return typeAt("aclmdlGetOutputDataType", description, false, index); }

FAKE_ACL_API Error aclmdlGetDynamicBatch(const Description* description, Gears* gears) {
  Call call("aclmdlGetDynamicBatch");
  if (!call.isOk()) return call.code;
  *gears = Gears{};
  gears->count = description->graph->gears.size();
  std::copy(description->graph->gears.begin(), description->graph->gears.end(), gears->batches);
  return 0;
}

FAKE_ACL_API Error aclmdlGetDynamicHW(const Description*, size_t, void* gears) {
  Call call("aclmdlGetDynamicHW");
  if (call.isOk()) std::memset(gears, 0, sizeof(size_t));
  return call.code;
}

FAKE_ACL_API Error aclmdlSetDynamicBatchSize(uint32_t id, Dataset* inputs, size_t index, uint64_t batch) {
  Call call("aclmdlSetDynamicBatchSize");
  if (!call.isOk()) return call.code;
  const auto found = world().models.find(id);
  if (found == world().models.end()) return fail(kModelId, "no such model");
  const Graph& graph = *found->second->graph;
  if (index >= inputs->buffers.size() || index >= graph.inputs.size() || graph.inputs[index].name != kGearInput) return fail(kGearAddress, "not the hidden input");
  if (std::find(graph.gears.begin(), graph.gears.end(), batch) == graph.gears.end()) {
    violation("aclmdlSetDynamicBatchSize of no gear");
    return fail(kGear, "no gear of " + std::to_string(batch));
  }
  Block* block = blockOf(inputs->buffers[index]->bytes, 8);
  if (block == nullptr) return fail(kGearLength, "the hidden input is too short");
  block->isWritten = true;
  std::memcpy(block->alias, &batch, sizeof(batch));
  inputs->gear = batch;
  return 0;
}

FAKE_ACL_API DataBuffer* aclCreateDataBuffer(void* bytes, size_t size) {
  Call call("aclCreateDataBuffer");
  if (!call.isOk()) return nullptr;
  return *world().buffers.insert(new DataBuffer{bytes, size}).first;
}

FAKE_ACL_API Error aclDestroyDataBuffer(const DataBuffer* buffer) {
  Call call("aclDestroyDataBuffer");
  auto* own = const_cast<DataBuffer*>(buffer);
  if (world().buffers.erase(own) == 0) {
    violation("aclDestroyDataBuffer twice");
    return fail(kInvalidParam, "no such buffer");
  }
  if (own->sets > 0) violation("aclDestroyDataBuffer of a buffer that is in a dataset");
  return call.code;
}

FAKE_ACL_API Dataset* aclmdlCreateDataset() {
  Call call("aclmdlCreateDataset");
  if (!call.isOk()) return nullptr;
  return *world().datasets.insert(new Dataset()).first;
}

FAKE_ACL_API Error aclmdlAddDatasetBuffer(Dataset* dataset, DataBuffer* buffer) {
  Call call("aclmdlAddDatasetBuffer");
  if (!call.isOk()) return call.code;
  if (world().datasets.count(dataset) == 0 || world().buffers.count(buffer) == 0) {
    violation("aclmdlAddDatasetBuffer with what was destroyed");
    return fail(kInvalidParam, "dataset or buffer");
  }
  dataset->buffers.push_back(buffer);
  buffer->sets++;
  return 0;
}

FAKE_ACL_API Error aclmdlDestroyDataset(const Dataset* dataset) {
  Call call("aclmdlDestroyDataset");
  if (world().datasets.erase(const_cast<Dataset*>(dataset)) == 0) {
    violation("aclmdlDestroyDataset twice");
    return fail(kInvalidParam, "no such dataset");
  }
  for (DataBuffer* buffer : dataset->buffers) buffer->sets--;
  return call.code;
}

FAKE_ACL_API Error aclmdlExecute(uint32_t id, const Dataset* inputs, Dataset* outputs) {
  Call call("aclmdlExecute");
  return call.isOk() ? executeModel(call, id, inputs, outputs) : call.code;
}
