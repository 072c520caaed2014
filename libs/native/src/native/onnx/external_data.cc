#include "onnx/external_data.h"

#include <charconv>
#include <filesystem>
#include <optional>

#include "onnx/proto_fields.h"
#include "onnx/proto_writer.h"

namespace mserve {

namespace {

/** Up to here a tensor may be a shape, sizes or axes. */
constexpr uint64_t kSmallBytes = 4096;
/** A model beyond this is no protobuf any more. */
constexpr size_t kMaxModelBytes = 0x7fffffff;

// Fields of TensorProto and of its StringStringEntryProto
constexpr uint32_t kDims = 1;
constexpr uint32_t kDataType = 2;
constexpr uint32_t kRawData = 9;
constexpr uint32_t kExternalData = 13;
constexpr uint32_t kDataLocation = 14;
constexpr uint32_t kKey = 1;
constexpr uint32_t kValue = 2;

/** Bits of an element, by TensorProto.DataType; 0 = no fixed size, or unknown. */
uint64_t bitsOf(uint64_t type) {
  static const uint8_t bits[] = {0, 32, 8, 8, 16, 16, 32, 64, 0, 8, 16, 64, 32, 64, 64, 128, 16, 8, 8, 8, 8, 4, 4, 4, 8};
  return type < sizeof bits ? bits[type] : 0;
}

bool readDims(std::string_view packed, uint64_t& count) {
  while (!packed.empty()) {
    uint64_t dim = 0;
    size_t at = 0;
    for (int shift = 0;; shift += 7, at++) {
      if (at == packed.size() || shift > 63) return false;
      dim |= static_cast<uint64_t>(packed[at] & 0x7f) << shift;
      if ((packed[at] & 0x80) == 0) break;
    }
    packed.remove_prefix(at + 1);
    if (__builtin_mul_overflow(count, dim, &count)) return false;
  }
  return true;
}

/** What a tensor says of its bytes. */
struct ExternalTensor {
  std::string name;
  std::string location;
  std::optional<uint64_t> offset;
  std::optional<uint64_t> length;
  uint64_t elements = 1;
  uint64_t type = 0;
  bool isExternal = false;
};

std::optional<uint64_t> numberIn(std::string_view text) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(number) : std::nullopt;
}

/** False for what is malformed: ONNX Runtime says it better. */
bool readTensor(std::string_view bytes, ExternalTensor& tensor) {
  Fields fields(bytes);
  while (fields.next()) {
    if (fields.field == kDims && fields.isBytes && !readDims(fields.bytes, tensor.elements)) return false;
    if (fields.field == kDims && !fields.isBytes && __builtin_mul_overflow(tensor.elements, fields.number, &tensor.elements)) return false;
    if (fields.field == kDataType) tensor.type = fields.number;
    if (fields.field == 8 && fields.isBytes) tensor.name = fields.bytes;
    if (fields.field == kDataLocation) tensor.isExternal = fields.number == 1;
    if (fields.field != kExternalData || !fields.isBytes) continue;
    std::string_view key;
    std::string_view value;
    Fields entry(fields.bytes);
    while (entry.next()) {
      if (entry.isBytes && entry.field == kKey) key = entry.bytes;
      if (entry.isBytes && entry.field == kValue) value = entry.bytes;
    }
    if (!entry.ok()) return false;
    if (key == "location") tensor.location = value;
    const bool isOffset = key == "offset";
    if (!isOffset && key != "length") continue;
    const std::optional<uint64_t> number = numberIn(value);
    if (!number) return false;
    (isOffset ? tensor.offset : tensor.length) = number;
  }
  return fields.ok() && tensor.isExternal && !tensor.location.empty();
}

/** One walk that copies a model and changes its tensors. nullopt = as it was. */
class Inliner {
 public:
  Inliner(const ExternalBytes& bytesOf, Failure& failure) : bytesOf_(bytesOf), failure_(failure) {}

  std::optional<std::string> rewrite(Message message, std::string_view bytes, int depth, bool isMainGraph) {
    if (depth > kMaxDepth) return std::nullopt;
    std::string result;
    size_t copied = 0;  // of bytes
    Fields fields(bytes);
    while (fields.next() && !failure_) {
      const Message child = fields.isBytes ? childOf(message, fields.field) : Message::None;
      if (child == Message::None) continue;
      const std::optional<std::string> changed =
          child == Message::Tensor ? rewriteTensor(fields.bytes, message == Message::Graph && isMainGraph)
                                   : rewrite(child, fields.bytes, depth + 1, message == Message::Model && fields.field == 7);
      if (!changed) continue;
      const size_t begin = static_cast<size_t>(fields.whole.data() - bytes.data());
      result.append(bytes.substr(copied, begin - copied));
      writeBytes(result, fields.field, *changed);
      copied = begin + fields.whole.size();
    }
    if (copied == 0) return std::nullopt;
    result.append(bytes.substr(copied));
    return result;
  }

 private:
  std::optional<std::string> rewriteTensor(std::string_view bytes, bool isMainInitializer) {
    ExternalTensor tensor;
    if (!readTensor(bytes, tensor)) return std::nullopt;
    const std::string location = tidyLocation(tensor.location);
    const std::string_view file = bytesOf_(location, isMainInitializer ? tensor.name : std::string());
    if (file.data() == nullptr) return std::nullopt;
    uint64_t bits = 0;
    if (bitsOf(tensor.type) == 0 || __builtin_mul_overflow(tensor.elements, bitsOf(tensor.type), &bits)) return std::nullopt;
    const uint64_t needed = bits / 8 + (bits % 8 == 0 ? 0 : 1);
    if (isMainInitializer && needed > kSmallBytes) return location == tensor.location ? std::nullopt : std::optional(relocated(bytes, location));
    const uint64_t offset = tensor.offset.value_or(0);
    if (tensor.length.value_or(needed) != needed || offset > file.size() || needed > file.size() - offset) {
      refuse(tensor, "needs " + std::to_string(needed) + " bytes from byte " + std::to_string(offset) + " of \"" + location.substr(0, 200) +
                         "\", which has " + std::to_string(file.size()));
      return std::nullopt;
    }
    inlined_ += needed;
    if (inlined_ > kMaxModelBytes) {
      refuse(tensor, "is in a branch, a loop or an attribute, where such data counts as part of the model, which may have 2 GiB at most");
      return std::nullopt;
    }
    std::string result;
    Fields fields(bytes);
    while (fields.next()) {
      if (fields.field != kExternalData && fields.field != kDataLocation) result.append(fields.whole);
    }
    writeBytes(result, kRawData, file.substr(offset, needed));
    return result;
  }

  /** The tensor with another location. */
  static std::string relocated(std::string_view bytes, const std::string& location) {
    std::string result;
    Fields fields(bytes);
    while (fields.next()) {
      bool isLocation = false;
      Fields entry(fields.field == kExternalData && fields.isBytes ? fields.bytes : std::string_view());
      while (entry.next()) isLocation = isLocation || (entry.field == kKey && entry.isBytes && entry.bytes == "location");
      if (!isLocation) {
        result.append(fields.whole);
        continue;
      }
      std::string changed;
      writeBytes(changed, kKey, "location");
      writeBytes(changed, kValue, location);
      writeBytes(result, kExternalData, changed);
    }
    return result;
  }

  void refuse(const ExternalTensor& tensor, const std::string& why) {
    failure_.set(FailureKind::Load, "the external data of tensor \"" + tensor.name.substr(0, 200) + "\" " + why);
  }

  const ExternalBytes& bytesOf_;
  Failure& failure_;
  uint64_t inlined_ = 0;
};

}  // namespace

std::string tidyLocation(const std::string& location) { return std::filesystem::path(location).lexically_normal().string(); }

bool inlineExternalData(const uint8_t* model, size_t length, const ExternalBytes& bytesOf, std::string& rewritten, Failure& failure) {
  Inliner inliner(bytesOf, failure);
  std::optional<std::string> changed =
      inliner.rewrite(Message::Model, std::string_view(reinterpret_cast<const char*>(model), length), 0, false);
  if (failure) return false;
  if (changed) rewritten = std::move(*changed);
  return true;
}

}  // namespace mserve
