#include "onnxruntime/ort_strings.h"

#include <cstdlib>
#include <cstring>

namespace mserve::ort {

namespace {

/** Checks that the bytes are exactly `elements` strings: nothing is allocated for what is not there. */
bool checkStrings(const InputTensor& input, size_t elements, Failure& failure) {
  const auto* bytes = static_cast<const uint8_t*>(input.bytes);
  size_t at = 0;
  for (size_t i = 0; i < elements; i++) {
    uint32_t length = 0;
    const size_t left = input.byteLength - at;
    if (left >= sizeof(length)) std::memcpy(&length, bytes + at, sizeof(length));
    if (left < sizeof(length) || left - sizeof(length) < length) {
      failure.set(FailureKind::Input, "the bytes end within string " + std::to_string(i) + " of " + std::to_string(elements));
      return false;
    }
    at += sizeof(length) + length;
  }
  if (at == input.byteLength) return true;
  failure.set(FailureKind::Input, std::to_string(input.byteLength - at) + " bytes are left after the last string");
  return false;
}

}  // namespace

bool makeStrings(const Library& library, const InputTensor& input, Value** value, Failure& failure) {
  const Api& api = library.api;
  size_t elements = 1;
  for (int64_t dim : input.dims) elements *= static_cast<size_t>(dim);
  if (!checkStrings(input, elements, failure)) return false;
  if (!library.check(api.createTensor(library.allocator, input.dims.data(), input.dims.size(), static_cast<int>(ElementType::String), value),
                     FailureKind::Input, failure)) {
    return false;
  }
  const auto* at = static_cast<const uint8_t*>(input.bytes);
  for (size_t i = 0; i < elements; i++) {
    uint32_t length = 0;
    std::memcpy(&length, at, sizeof(length));
    at += sizeof(length);
    // Written into the string's own buffer: the functions that take C strings would cut at a zero byte.
    char* buffer = nullptr;
    if (!library.check(api.getStringBuffer(*value, i, length, &buffer), FailureKind::Input, failure)) return false;
    if (length > 0) std::memcpy(buffer, at, length);
    at += length;
  }
  return true;
}

bool takeStrings(const Library& library, const Value* value, size_t elements, OutputTensor& output, Run& run) {
  const Api& api = library.api;
  size_t length = 0;
  if (!library.check(api.getStringsLength(value, &length), FailureKind::Run, run.failure)) return false;
  std::vector<char> text(length + 1);
  std::vector<size_t> offsets(elements + 1, length);
  if (elements > 0 && !library.check(api.getStrings(value, text.data(), length, offsets.data(), elements), FailureKind::Run, run.failure)) {
    return false;
  }
  offsets[elements] = length;
  std::vector<uint8_t> encoded(length + elements * sizeof(uint32_t));
  uint8_t* at = encoded.data();
  for (size_t i = 0; i < elements; i++) {
    const uint32_t size = static_cast<uint32_t>(offsets[i + 1] - offsets[i]);
    std::memcpy(at, &size, sizeof(size));
    std::memcpy(at + sizeof(size), text.data() + offsets[i], size);
    at += sizeof(size) + size;
  }
  output.byteLength = encoded.size();
  if (output.byteLength <= kSmallOutputBytes) {
    addSmall(run, output, encoded.data());
    return true;
  }
  return takeCopy(output, encoded.data(), run.failure);
}

}  // namespace mserve::ort
