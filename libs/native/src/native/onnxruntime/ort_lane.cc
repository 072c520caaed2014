#include "onnxruntime/ort_lane.h"

#include <cstdlib>
#include <cstring>
#include <string>

#include "onnxruntime/ort_strings.h"

namespace mserve::ort {

namespace {

// ONNX Runtime adds floats up in an order that depends on where they lie within 16 bytes: the same input gives the same bits at one of these places only.
constexpr size_t kSameSums = 16;

bool isFloat(ElementType type) {
  return type == ElementType::Float32 || type == ElementType::Float64 || type == ElementType::Float16 || type == ElementType::Bfloat16;
}

/** ONNX Runtime refuses a null pointer even for zero bytes. */
uint64_t nothing = 0;

struct KeptValue {
  const Library* library;
  Value* value;
};

void releaseKept(void* owner) {
  auto* kept = static_cast<KeptValue*>(owner);
  kept->library->api.releaseValue(kept->value);
  delete kept;
}

/** Index of the first byte that is neither 0 nor 1; length when there is none. */
size_t firstNonBool(const uint8_t* bytes, size_t length) {
  for (size_t i = 0; i < length; i++) {
    if (bytes[i] > 1) return i;
  }
  return length;
}

/** ONNX Runtime's "Integer division by zero" and "Integer modulo by zero": its code for them is FAIL, as for much else. */
bool isDivisionByZero(const std::string& message) {
  return message.find("nteger division by zero") != std::string::npos || message.find("nteger modulo by zero") != std::string::npos;
}

bool overlapsInput(const Run& run, const void* bytes) {
  for (const InputTensor& input : run.inputs) {
    const auto* start = static_cast<const uint8_t*>(input.bytes);
    if (bytes >= start && bytes < start + input.byteLength) return true;
  }
  return false;
}

}  // namespace

bool OrtLane::prepare(Failure& failure) {
  return library_.check(library_.api.createRunOptions(options_.out()), FailureKind::Load, failure) &&
         library_.check(library_.api.setRunLogSeverity(options_.get(), kLogFatal), FailureKind::Load, failure);
}

void OrtLane::terminate() {
  Failure ignored;
  library_.check(library_.api.setTerminate(options_.get()), FailureKind::Run, ignored);
}

void OrtLane::allow() {
  Failure ignored;
  library_.check(library_.api.unsetTerminate(options_.get()), FailureKind::Run, ignored);
}

void OrtLane::execute(Run& run) {
  const Api& api = library_.api;
  const DivisionGuard guard(traps_);
  const uint64_t ownBefore = traps_.count();
  const uint64_t poolBefore = session_.poolTraps().count();
  const auto& outputNames = session_.outputNames();
  outputs_.assign(outputNames.size(), nullptr);
  if (makeInputs(run)) {
    Status* status = api.run(session_.session(), options_.get(), namesOf(run), inputs_.data(), inputs_.size(),
                             outputNames.data(), outputNames.size(), outputs_.data());
    const bool refused = status != nullptr && api.getErrorCode(status) == kCodeInvalidArgument;
    if (library_.check(status, refused ? FailureKind::Input : FailureKind::Run, run.failure)) takeOutputs(run);
    blameDivisions(run, ownBefore, poolBefore);
  }
  releaseValues();
}

/** A division by zero makes the inputs at fault, whether ONNX Runtime looked for zeros itself (1.2x and later do in Div and Mod) or trapped. */
void OrtLane::blameDivisions(Run& run, uint64_t ownBefore, uint64_t poolBefore) {
  const bool isOwn = traps_.count() != ownBefore || (run.failure && isDivisionByZero(run.failure.message));
  const bool isOfPool = session_.poolTraps().count() != poolBefore;
  if (!isOwn && !isOfPool) return;
  run.failure.set(FailureKind::Input, "integer division by zero in the model");
  run.isSuspect = !isOwn;
}

void OrtLane::releaseValues() {
  for (Value* value : inputs_) {
    if (value != nullptr) library_.api.releaseValue(value);
  }
  for (Value* value : outputs_) {
    if (value != nullptr) library_.api.releaseValue(value);
  }
  inputs_.clear();
  outputs_.clear();
  copies_.clear();
}

/** The inputs, then those that may be left out, less those that are. */
bool OrtLane::makeInputs(Run& run) {
  const SessionDescription& description = session_.description();
  const size_t least = description.inputs.size();
  if (run.inputs.size() < least || run.inputs.size() > least + description.defaults.size()) {
    run.failure.set(FailureKind::Input, "the model takes " + std::to_string(least) + " inputs, got " + std::to_string(run.inputs.size()));
    return false;
  }
  inputs_.reserve(run.inputs.size());
  for (size_t i = 0; i < run.inputs.size(); i++) {
    const ValueDescription& expected = i < least ? description.inputs[i] : description.defaults[i - least];
    if (run.inputs[i].isAbsent) {
      if (i >= least) continue;
      run.failure.set(FailureKind::Input, "input \"" + expected.name + "\" is missing");
      return false;
    }
    if (makeInput(run.inputs[i], expected, &inputs_.emplace_back(nullptr), run.failure)) continue;
    run.failure.kind = FailureKind::Input;
    run.failure.message = "input \"" + expected.name + "\": " + run.failure.message;
    return false;
  }
  return true;
}

/** In the order of inputs_. */
const char* const* OrtLane::namesOf(const Run& run) {
  const std::vector<const char*>& names = session_.inputNames();
  if (run.inputs.size() == names.size()) return names.data();
  givenNames_.assign(names.begin(), names.end());
  for (size_t i = names.size(); i < run.inputs.size(); i++) {
    if (!run.inputs[i].isAbsent) givenNames_.push_back(session_.defaultNames()[i - names.size()]);
  }
  return givenNames_.data();
}

bool OrtLane::makeInput(const InputTensor& input, const ValueDescription& expected, Value** value, Failure& failure) {
  if (expected.type == ElementType::String) return makeStrings(library_, input, value, failure);
  if (expected.type == ElementType::Bool) {
    const size_t index = firstNonBool(static_cast<const uint8_t*>(input.bytes), input.byteLength);
    if (index < input.byteLength) {
      failure.set(FailureKind::Input, "bool element " + std::to_string(index) + " is neither 0 nor 1");
      return false;
    }
  }
  void* bytes = alignedBytes(input, isFloat(expected.type) ? kSameSums : elementSize(expected.type));
  return library_.check(library_.api.createTensorWithData(library_.cpuMemory, bytes, input.byteLength, input.dims.data(), input.dims.size(),
                                                          static_cast<int>(expected.type), value),
                        FailureKind::Input, failure);
}

void* OrtLane::alignedBytes(const InputTensor& input, size_t alignment) {
  if (input.byteLength == 0) return &nothing;
  if (reinterpret_cast<uintptr_t>(input.bytes) % alignment == 0) return input.bytes;
  std::vector<uint64_t>& copy = copies_.emplace_back((input.byteLength + 7) / 8);
  std::memcpy(copy.data(), input.bytes, input.byteLength);
  return copy.data();
}

bool OrtLane::takeOutputs(Run& run) {
  run.outputs.resize(outputs_.size());
  for (size_t i = 0; i < outputs_.size(); i++) {
    if (takeOutput(run, run.outputs[i], outputs_[i])) continue;
    run.failure.message = "output \"" + session_.description().outputs[i].name + "\": " + run.failure.message;
    return false;
  }
  return true;
}

/** Small outputs are copied; a large one's value moves into the output. */
bool OrtLane::takeOutput(Run& run, OutputTensor& output, Value*& value) {
  const Api& api = library_.api;
  const auto check = [&](Status* status) { return library_.check(status, FailureKind::Run, run.failure); };
  int kind = 0;
  if (value == nullptr || !check(api.getValueType(value, &kind)) || kind != kTypeTensor) {
    run.failure.set(FailureKind::Run, "the model gave no tensor");
    return false;
  }
  OwnedTensorInfo tensor(library_);
  int type = 0;
  size_t rank = 0;
  if (!check(api.getTensorInfo(value, tensor.out())) || !check(api.getElementType(tensor.get(), &type)) ||
      !check(api.getRank(tensor.get(), &rank))) {
    return false;
  }
  output.type = static_cast<ElementType>(type);
  output.dims.resize(rank);
  if (!check(api.getDims(tensor.get(), output.dims.data(), rank))) return false;
  size_t elements = 1;
  for (int64_t dim : output.dims) elements *= static_cast<size_t>(dim);
  if (output.type == ElementType::String) return takeStrings(library_, value, elements, output, run);
  void* bytes = nullptr;
  if (elements > 0 && !check(api.getTensorData(value, &bytes))) return false;
  output.byteLength = elements * elementSize(output.type);
  if (output.byteLength <= kSmallOutputBytes) {
    addSmall(run, output, bytes);
  } else if (overlapsInput(run, bytes)) {
    return takeCopy(output, bytes, run.failure);  // the model passes an input through: not ours to give away
  } else {
    output.isSmall = false;
    output.bytes = bytes;
    output.owner = new KeptValue{&library_, value};
    output.release = releaseKept;
    value = nullptr;
  }
  return true;
}

}  // namespace mserve::ort
