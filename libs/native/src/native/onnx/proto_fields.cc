#include "onnx/proto_fields.h"

namespace mserve {

Message childOf(Message parent, uint32_t field) {
  switch (parent) {
    case Message::Model:
      return field == 7 ? Message::Graph : field == 20 ? Message::Training : field == 25 ? Message::Function : Message::None;
    case Message::Training:
      return field == 1 || field == 2 ? Message::Graph : Message::None;
    case Message::Function:
      return field == 7 ? Message::Node : field == 11 ? Message::Attribute : Message::None;
    case Message::Graph:
      return field == 1 ? Message::Node : field == 5 ? Message::Tensor : field == 15 ? Message::SparseTensor : Message::None;
    case Message::Node:
      return field == 5 ? Message::Attribute : Message::None;
    case Message::Attribute:
      if (field == 5 || field == 10) return Message::Tensor;
      if (field == 6 || field == 11) return Message::Graph;
      return field == 22 || field == 23 ? Message::SparseTensor : Message::None;
    case Message::SparseTensor:
      return field == 1 || field == 2 ? Message::Tensor : Message::None;
    default:
      return Message::None;
  }
}

bool Fields::next() {
  if (at_ == end_ || !ok_) return false;
  const char* begin = at_;
  uint64_t tag = 0;
  if (!varint(tag) || tag >> 3 == 0 || tag >> 3 > 0x1fffffff) return ok_ = false;
  field = static_cast<uint32_t>(tag >> 3);
  isBytes = (tag & 7) == 2;
  ok_ = skip(static_cast<int>(tag & 7));
  if (ok_) whole = std::string_view(begin, static_cast<size_t>(at_ - begin));
  return ok_;
}

bool Fields::varint(uint64_t& value) {
  value = 0;
  for (int shift = 0; shift < 70; shift += 7) {
    if (at_ == end_) return false;
    const uint8_t byte = static_cast<uint8_t>(*at_++);
    if (shift < 64) value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

bool Fields::skip(int wireType) {
  uint64_t count = 0;
  switch (wireType) {
    case 0:
      return varint(number);
    case 1:
      count = 8;
      break;
    case 5:
      count = 4;
      break;
    case 2:
      if (!varint(count)) return false;
      break;
    default:
      return false;  // groups: no ONNX writer makes them
  }
  if (count > static_cast<uint64_t>(end_ - at_)) return false;
  bytes = std::string_view(at_, count);
  at_ += count;
  return true;
}

}  // namespace mserve
