#include "rank/frame.h"

namespace mserve::rank {

const char* nameOf(FrameKind kind) {
  switch (kind) {
    case FrameKind::AllReduce:
      return "allReduce";
    case FrameKind::AllGather:
      return "allGather";
    case FrameKind::ReduceScatter:
      return "reduceScatter";
    case FrameKind::AllToAll:
      return "allToAll";
    case FrameKind::Broadcast:
      return "broadcast";
    case FrameKind::NeighborExchange:
      return "neighborExchange";
    case FrameKind::Send:
      return "send";
  }
  return "unknown";
}

const char* nameOf(ElementType type) {
  switch (type) {
    case ElementType::Float32:
      return "float32";
    case ElementType::Uint8:
      return "uint8";
    case ElementType::Int8:
      return "int8";
    case ElementType::Uint16:
      return "uint16";
    case ElementType::Int16:
      return "int16";
    case ElementType::Int32:
      return "int32";
    case ElementType::Int64:
      return "int64";
    case ElementType::Bool:
      return "bool";
    case ElementType::Float16:
      return "float16";
    case ElementType::Float64:
      return "float64";
    case ElementType::Uint32:
      return "uint32";
    case ElementType::Uint64:
      return "uint64";
    case ElementType::Bfloat16:
      return "bfloat16";
    default:
      return "unknown type";
  }
}

std::string describe(const FrameHead& head) {
  const bool reduces = head.kind == FrameKind::AllReduce || head.kind == FrameKind::ReduceScatter;
  std::string text = nameOf(head.kind);
  text += head.kind == FrameKind::Send ? " with tag " : " number ";
  text += std::to_string(head.sequence) + " of batch " + std::to_string(head.batch) + " (";
  if (reduces) text += std::string(nameOf(head.reduction)) + " of ";
  text += std::string(nameOf(static_cast<ElementType>(head.type))) + ", " + std::to_string(head.total) + " bytes, part " + std::to_string(head.part) + ")";
  return text;
}

}  // namespace mserve::rank
