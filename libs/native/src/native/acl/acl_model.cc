#include "acl/acl_model.h"

#include <algorithm>
#include <cstdlib>

namespace mserve::acl {

namespace {

ElementType elementTypeOf(int aclType) {
  switch (aclType) {
    case 0: return ElementType::Float32;
    case 1: return ElementType::Float16;
    case 2: return ElementType::Int8;
    case 3: return ElementType::Int32;
    case 4: return ElementType::Uint8;
    case 6: return ElementType::Int16;
    case 7: return ElementType::Uint16;
    case 8: return ElementType::Uint32;
    case 9: return ElementType::Int64;
    case 10: return ElementType::Uint64;
    case 11: return ElementType::Float64;
    case 12: return ElementType::Bool;
    case 27: return ElementType::Bfloat16;
    default: return ElementType::Undefined;
  }
}

std::string quoted(const char* what, const std::string& name) { return std::string(what) + " \"" + name + "\""; }

/** Bytes of a tensor; 0 when a dim is not fixed. */
size_t bytesOf(const std::vector<int64_t>& dims, ElementType type) {
  size_t bytes = elementSize(type);
  for (const int64_t dim : dims) bytes *= dim < 0 ? 0 : static_cast<size_t>(dim);
  return bytes;
}

}  // namespace

bool Model::load(const std::string& path, Failure& failure) {
  if (loadAll(path, failure)) return true;
  unload();
  return false;
}

bool Model::loadAll(const std::string& path, Failure& failure) {
  const auto check = [&](Error code, const char* what) { return library_.check(code, what, FailureKind::Load, failure); };
  if (!check(api_.aclmdlLoadFromFile(path.c_str(), &id_), "the model cannot be loaded")) return false;
  isLoaded_ = true;
  model_ = api_.aclmdlCreateDesc();
  if (model_ == nullptr) return check(200000, "the model cannot be described");
  if (!check(api_.aclmdlGetDesc(model_, id_), "the model cannot be described") || !readGears(failure)) return false;
  inputSet_ = api_.aclmdlCreateDataset();
  outputSet_ = api_.aclmdlCreateDataset();
  if (inputSet_ == nullptr || outputSet_ == nullptr) return check(200000, "the model's places for tensors cannot be made");
  if (!describe(true, failure) || !describe(false, failure)) return false;
  for (Place& place : inputs_) {
    if (!allocate(place, inputSet_, failure)) return false;
  }
  for (Place& place : outputs_) {
    if (!allocate(place, outputSet_, failure)) return false;
  }
  for (const size_t index : shown_) description_.inputs.push_back(inputs_[index].value);
  for (const Place& place : outputs_) description_.outputs.push_back(place.value);
  description_.maxBatch = gears_.empty() ? 0 : static_cast<int64_t>(gears_.back());
  return true;
}

bool Model::readGears(Failure& failure) {
  Gears gears{};
  if (!library_.check(api_.aclmdlGetDynamicBatch(model_, &gears), "the model's batch sizes cannot be read", FailureKind::Load, failure)) return false;
  gears_.assign(gears.batches, gears.batches + std::min<size_t>(gears.count, std::size(gears.batches)));
  std::sort(gears_.begin(), gears_.end());
  if (gears_.empty() || gears_.front() > 0) return true;
  failure.set(FailureKind::Load, "the model has a batch size of 0");
  return false;
}

bool Model::describe(bool isInput, Failure& failure) {
  const size_t count = isInput ? api_.aclmdlGetNumInputs(model_) : api_.aclmdlGetNumOutputs(model_);
  std::vector<Place>& places = isInput ? inputs_ : outputs_;
  places.resize(count);
  bool hasGearInput = false;
  for (size_t i = 0; i < count; i++) {
    Place& place = places[i];
    if (!describePlace(isInput, i, place, failure)) return false;
    if (!isInput) continue;
    if (place.value.name == kAippInput) {
      failure.set(FailureKind::Load, "the model's image preprocessing (AIPP) is set at run time, which is not supported");
      return false;
    }
    if (place.value.name != kGearInput) {
      shown_.push_back(i);
      continue;
    }
    hasGearInput = true;
    gearInput_ = i;
    ImageGears images{};
    if (gears_.empty() && api_.aclmdlGetDynamicHW(model_, 0, &images) == 0 && images.count > 0) {
      failure.set(FailureKind::Load, "the model has gears of image sizes, which are not supported: compile it for one size, or with gears of the batch");
      return false;
    }
  }
  if (!isInput || hasGearInput != gears_.empty()) return true;
  failure.set(FailureKind::Load, gears_.empty() ? "the model has gears that are not of the batch, which are not supported"
                                                : std::string("the model has batch gears, but no input \"") + kGearInput + "\"");
  return false;
}

bool Model::describePlace(bool isInput, size_t index, Place& place, Failure& failure) {
  const char* what = isInput ? "input" : "output";
  const char* name = isInput ? api_.aclmdlGetInputNameByIndex(model_, index) : api_.aclmdlGetOutputNameByIndex(model_, index);
  place.value.name = name == nullptr ? "" : name;
  place.size = isInput ? api_.aclmdlGetInputSizeByIndex(model_, index) : api_.aclmdlGetOutputSizeByIndex(model_, index);
  const bool isHidden = isInput && (place.value.name == kGearInput || place.value.name == kAippInput);
  if (isHidden) return true;
  const int type = isInput ? api_.aclmdlGetInputDataType(model_, index) : api_.aclmdlGetOutputDataType(model_, index);
  place.value.type = elementTypeOf(type);
  if (place.value.type == ElementType::Undefined) {
    failure.set(FailureKind::Load, quoted(what, place.value.name) + " has element type " + std::to_string(type) + " of AscendCL, which is not supported");
    return false;
  }
  Dims dims{};
  // V2: what the bytes hold, where the model converts images by itself
  const Error code = isInput ? api_.aclmdlGetInputDimsV2(model_, index, &dims) : api_.aclmdlGetOutputDims(model_, index, &dims);
  return library_.check(code, "the shape of a tensor cannot be read", FailureKind::Load, failure) && checkShape(isInput, place, dims, failure);
}

/** Takes the shape over when it explains the size exactly: the library itself would accept buffers that are a little too small. */
bool Model::checkShape(bool isInput, Place& place, const Dims& dims, Failure& failure) {
  const std::string named = quoted(isInput ? "input" : "output", place.value.name);
  std::vector<int64_t> shape(dims.dims, dims.dims + std::min(dims.count, kMaxDims));
  std::vector<int64_t> largest = shape;
  if (!gears_.empty() && !shape.empty()) {
    const int64_t most = static_cast<int64_t>(gears_.back());
    place.hasBatch = isInput ? shape[0] < 0 : shape[0] < 0 || shape[0] == most;
    if (place.hasBatch) {
      shape[0] = -1;
      largest[0] = most;
    }
  }
  const size_t bytes = bytesOf(largest, place.value.type);
  if (place.size == 0 || std::any_of(largest.begin(), largest.end(), [](int64_t dim) { return dim < 0; })) {
    failure.set(FailureKind::Load, named + " has a shape that is decided at run time, which is not supported");
    return false;
  }
  if (bytes != place.size) {
    failure.set(FailureKind::Load, named + " has a shape of " + std::to_string(bytes) + " bytes, but the model takes " + std::to_string(place.size));
    return false;
  }
  place.value.dims = std::move(shape);
  place.value.dimNames.assign(place.value.dims.size(), "");
  place.value.hasShape = true;
  return true;
}

bool Model::allocate(Place& place, Dataset* dataset, Failure& failure) {
  const auto check = [&](Error code) { return library_.check(code, "memory on the device cannot be had for a tensor", FailureKind::Load, failure); };
  if (!check(api_.aclrtMalloc(&place.memory, place.size, kHugePagesFirst))) {
    place.memory = nullptr;
    return false;
  }
  place.buffer = api_.aclCreateDataBuffer(place.memory, place.size);
  if (place.buffer == nullptr) return check(200000);
  return check(api_.aclmdlAddDatasetBuffer(dataset, place.buffer));
}

void Model::unload() {
  if (isLoaded_) api_.aclmdlUnload(id_);
  isLoaded_ = false;
  release(inputs_, inputSet_);
  release(outputs_, outputSet_);
  if (model_ != nullptr) api_.aclmdlDestroyDesc(model_);
  model_ = nullptr;
}

void Model::release(std::vector<Place>& places, Dataset*& dataset) {
  if (dataset != nullptr) api_.aclmdlDestroyDataset(dataset);
  dataset = nullptr;
  for (Place& place : places) {
    if (place.buffer != nullptr) api_.aclDestroyDataBuffer(place.buffer);
    if (place.memory != nullptr) api_.aclrtFree(place.memory);
  }
  places.clear();
}

void Model::run(Run& run) {
  uint64_t batch = 0;
  if (!checkInputs(run, batch, run.failure)) return;
  const uint64_t gear = gearFor(batch);
  if (!copyIn(run, batch, gear, run.failure)) return;
  if (!library_.check(api_.aclmdlExecute(id_, inputSet_, outputSet_), "the run failed", FailureKind::Run, run.failure)) return;
  run.outputs.resize(outputs_.size());
  for (size_t i = 0; i < outputs_.size(); i++) {
    if (takeOutput(run, i, batch, gear)) continue;
    run.failure.message = quoted("output", outputs_[i].value.name) + ": " + run.failure.message;
    return;
  }
}

/** `batch`: 0 for a static model. */
bool Model::checkInputs(const Run& run, uint64_t& batch, Failure& failure) const {
  if (run.inputs.size() != shown_.size()) {
    failure.set(FailureKind::Input, "the model takes " + std::to_string(shown_.size()) + " inputs, got " + std::to_string(run.inputs.size()));
    return false;
  }
  for (size_t i = 0; i < shown_.size(); i++) {
    const Place& place = inputs_[shown_[i]];
    const InputTensor& input = run.inputs[i];
    const std::string named = quoted("input", place.value.name);
    size_t size = place.size;
    if (place.hasBatch) {
      const uint64_t own = input.dims.empty() ? 0 : static_cast<uint64_t>(input.dims[0]);
      if (own == 0 || own > gears_.back()) {
        failure.set(FailureKind::Input, named + " has a batch of " + std::to_string(own) + ", the model takes 1 to " + std::to_string(gears_.back()));
        return false;
      }
      if (batch != 0 && own != batch) {
        failure.set(FailureKind::Input, named + " has a batch of " + std::to_string(own) + ", another input one of " + std::to_string(batch));
        return false;
      }
      batch = own;
      size = place.size / gears_.back() * own;
    }
    if (input.byteLength != size) {
      failure.set(FailureKind::Input, named + " has " + std::to_string(input.byteLength) + " bytes, the model takes " + std::to_string(size));
      return false;
    }
  }
  return true;
}

/** The smallest that holds the batch; 0 for a static model. */
uint64_t Model::gearFor(uint64_t batch) const {
  if (gears_.empty()) return 0;
  const auto gear = std::lower_bound(gears_.begin(), gears_.end(), batch);
  return gear == gears_.end() ? gears_.back() : *gear;
}

/** Also fills up to the gear with zeros, and sets the gear: it is forgotten by no run. */
bool Model::copyIn(const Run& run, uint64_t batch, uint64_t gear, Failure& failure) {
  const auto check = [&](Error code, const char* what) { return library_.check(code, what, FailureKind::Run, failure); };
  for (size_t i = 0; i < shown_.size(); i++) {
    const Place& place = inputs_[shown_[i]];
    const InputTensor& input = run.inputs[i];
    if (!check(api_.aclrtMemcpy(place.memory, place.size, input.bytes, input.byteLength, kHostToDevice), "an input cannot be copied to the device")) return false;
    const size_t used = place.hasBatch ? place.size / gears_.back() * gear : place.size;
    if (used == input.byteLength) continue;
    auto* rest = static_cast<uint8_t*>(place.memory) + input.byteLength;
    if (!check(api_.aclrtMemset(rest, place.size - input.byteLength, 0, used - input.byteLength), "an input cannot be filled up on the device")) return false;
  }
  (void)batch;
  return gears_.empty() || check(api_.aclmdlSetDynamicBatchSize(id_, inputSet_, gearInput_, gear), "the batch size cannot be set");
}

bool Model::takeOutput(Run& run, size_t index, uint64_t batch, uint64_t gear) {
  const Place& place = outputs_[index];
  OutputTensor& output = run.outputs[index];
  output.type = place.value.type;
  output.dims = place.value.dims;
  if (!gears_.empty()) {
    Dims dims{};
    if (!library_.check(api_.aclmdlGetCurOutputDims(model_, index, &dims), "its shape cannot be read", FailureKind::Run, run.failure)) return false;
    output.dims.assign(dims.dims, dims.dims + std::min(dims.count, kMaxDims));
    if (place.hasBatch && !output.dims.empty() && output.dims[0] == static_cast<int64_t>(gear)) output.dims[0] = static_cast<int64_t>(batch);
  }
  output.byteLength = bytesOf(output.dims, output.type);
  if (output.byteLength == 0 || output.byteLength > place.size) {
    run.failure.set(FailureKind::Run, "its shape does not fit the " + std::to_string(place.size) + " bytes that the model gives");
    return false;
  }
  const auto copy = [&](void* to) {
    return library_.check(api_.aclrtMemcpy(to, output.byteLength, place.memory, output.byteLength, kDeviceToHost), "it cannot be copied from the device",
                          FailureKind::Run, run.failure);
  };
  if (output.byteLength <= kSmallOutputBytes) {
    uint8_t bytes[kSmallOutputBytes];
    if (!copy(bytes)) return false;
    addSmall(run, output, bytes);
    return true;
  }
  void* bytes = std::malloc(output.byteLength);
  if (bytes == nullptr) {
    run.failure.set(FailureKind::Run, "out of memory");
    return false;
  }
  output.isSmall = false;
  output.bytes = bytes;
  output.owner = bytes;
  output.release = std::free;
  return copy(bytes);
}

}  // namespace mserve::acl
