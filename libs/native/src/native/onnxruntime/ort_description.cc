#include "onnxruntime/ort_session.h"

#include <algorithm>
#include <iterator>
#include <string_view>

namespace mserve::ort {

namespace {

constexpr int kTypeSequence = 2;
constexpr int kTypeMap = 3;
constexpr int kTypeOptional = 6;

const char* kindOf(int onnxType) {
  static const char* const kinds[] = {"a value of unknown kind", "a tensor",        "a sequence", "a map",
                                      "an opaque value",        "a sparse tensor", "an optional value"};
  return onnxType >= 0 && onnxType <= 6 ? kinds[onnxType] : kinds[0];
}

const char* cureOf(std::string_view what, int onnxType) {
  if (onnxType != kTypeSequence && onnxType != kTypeMap) return "";
  return what == "output" ? ". Of a classifier's ZipMap: export it without (skl2onnx: options={'zipmap': False}, zipmap=False in others)"
                          : ": export the model with tensors as inputs";
}

std::string typeName(int type) {
  switch (type) {
    case 14:
      return "complex64";
    case 15:
      return "complex128";
    case 17:
      return "float8e4m3fn";
    case 18:
      return "float8e4m3fnuz";
    case 19:
      return "float8e5m2";
    case 20:
      return "float8e5m2fnuz";
    case 21:
      return "uint4";
    case 22:
      return "int4";
    default:
      return "number " + std::to_string(type);
  }
}

/** Fills the value from its type. `what` is "input" or "output". */
bool describeValue(const Library& library, const TypeInfo* typeInfo, const char* what, ValueDescription& value, Failure& failure) {
  const Api& api = library.api;
  const auto check = [&](Status* status) { return library.check(status, FailureKind::Load, failure); };
  int onnxType = 0;
  if (!check(api.getOnnxType(typeInfo, &onnxType))) return false;
  OwnedTypeInfo contained(library);
  if (onnxType == kTypeOptional) {
    // Runs take and give what is in it
    const OptionalInfo* optional = nullptr;
    if (!check(api.castToOptional(typeInfo, &optional)) || !check(api.getContainedType(optional, contained.out())) ||
        !check(api.getOnnxType(contained.get(), &onnxType))) {
      return false;
    }
    typeInfo = contained.get();
  }
  if (onnxType != kTypeTensor) {
    failure.set(FailureKind::Load, std::string(what) + " \"" + value.name + "\" is " + kindOf(onnxType) + "; only tensors are supported" + cureOf(what, onnxType));
    return false;
  }
  const TensorInfo* tensor = nullptr;
  int type = 0;
  size_t rank = 0;
  if (!check(api.castToTensorInfo(typeInfo, &tensor)) || !check(api.getElementType(tensor, &type)) || !check(api.getRank(tensor, &rank))) {
    return false;
  }
  value.type = static_cast<ElementType>(type);
  if (!isSupported(value.type)) {
    failure.set(FailureKind::Load, std::string(what) + " \"" + value.name + "\" has element type " + typeName(type) + ", which is not supported");
    return false;
  }
  value.dims.resize(rank);
  std::vector<const char*> names(rank, nullptr);
  if (!check(api.getDims(tensor, value.dims.data(), rank)) || !check(api.getDimNames(tensor, names.data(), rank))) return false;
  for (size_t axis = 0; axis < rank; axis++) {
    if (value.dims[axis] < 0) value.dims[axis] = -1;
    value.dimNames.emplace_back(names[axis] == nullptr ? "" : names[axis]);
  }
  value.hasShape = rank > 0;
  return true;
}

/** How the values of one kind are asked for. */
struct Kind {
  const char* what;
  Status* (*Api::*count)(const Session*, size_t*);
  Status* (*Api::*name)(const Session*, size_t, Allocator*, char**);
  Status* (*Api::*type)(const Session*, size_t, TypeInfo**);
};
constexpr Kind kInputs{"input", &Api::getInputCount, &Api::getInputName, &Api::getInputType};
constexpr Kind kOutputs{"output", &Api::getOutputCount, &Api::getOutputName, &Api::getOutputType};
constexpr Kind kDefaults{"initialized input", &Api::getDefaultCount, &Api::getDefaultName, &Api::getDefaultType};

bool describeAt(const Library& library, Session* session, const Kind& kind, size_t index, ValueDescription& value, Failure& failure) {
  const Api& api = library.api;
  const auto check = [&](Status* status) { return library.check(status, FailureKind::Load, failure); };
  char* name = nullptr;
  if (!check((api.*kind.name)(session, index, library.allocator, &name))) return false;
  value.name = name;
  if (!check(api.allocatorFree(library.allocator, name))) return false;
  OwnedTypeInfo typeInfo(library);
  if (!check((api.*kind.type)(session, index, typeInfo.out()))) return false;
  return describeValue(library, typeInfo.get(), kind.what, value, failure);
}

bool describeAll(const Library& library, Session* session, const Kind& kind, std::vector<ValueDescription>& values, Failure& failure) {
  size_t count = 0;
  if (!library.check((library.api.*kind.count)(session, &count), FailureKind::Load, failure)) return false;
  values.resize(count);
  for (size_t i = 0; i < count; i++) {
    if (!describeAt(library, session, kind, i, values[i], failure)) return false;
  }
  return true;
}

/** Those of a type that no run could take are left out: the model has values for them. */
void describeDefaults(const Library& library, Session* session, std::vector<ValueDescription>& values) {
  size_t count = 0;
  Failure ignored;
  if (!library.check(library.api.getDefaultCount(session, &count), FailureKind::Load, ignored)) return;
  for (size_t i = 0; i < count; i++) {
    ValueDescription value;
    if (describeAt(library, session, kDefaults, i, value, ignored)) values.push_back(std::move(value));
  }
}

/** Those that are no tensors of a known type are left out, unless all are. */
bool describeOutputs(const Library& library, Session* session, SessionDescription& description, Failure& failure) {
  size_t count = 0;
  if (!library.check(library.api.getOutputCount(session, &count), FailureKind::Load, failure)) return false;
  Failure first;
  for (size_t i = 0; i < count; i++) {
    ValueDescription value;
    Failure reason;
    if (describeAt(library, session, kOutputs, i, value, reason)) {
      description.outputs.push_back(std::move(value));
      continue;
    }
    description.unusable.push_back({value.name, reason.message});
    if (!first) first = reason;
  }
  if (description.outputs.empty() && first) failure = first;
  return !failure;
}

/** The runtime tells no scalar from a value of which the file does not tell how many dims it has. */
void takeDeclared(const std::vector<DeclaredValue>& declared, std::vector<ValueDescription>& values) {
  for (ValueDescription& value : values) {
    const auto found = std::find_if(declared.begin(), declared.end(), [&](const DeclaredValue& one) { return one.name == value.name; });
    if (found == declared.end()) continue;
    value.hasShape = value.hasShape || found->hasShape;
    value.position = static_cast<int>(std::distance(declared.begin(), found));
  }
}

}  // namespace

bool describeSession(const Library& library, Session* session, const ModelScan& scan, SessionDescription& description, Failure& failure) {
  describeDefaults(library, session, description.defaults);
  if (!describeAll(library, session, kInputs, description.inputs, failure) || !describeOutputs(library, session, description, failure)) {
    return false;
  }
  takeDeclared(scan.inputs, description.inputs);
  takeDeclared(scan.inputs, description.defaults);
  std::stable_sort(description.defaults.begin(), description.defaults.end(),
                   [](const ValueDescription& a, const ValueDescription& b) { return a.position < b.position; });
  takeDeclared(scan.outputs, description.outputs);
  description.hasClassicOperators = scan.hasClassicOperators;
  return true;
}

}  // namespace mserve::ort
