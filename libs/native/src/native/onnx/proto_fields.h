#pragma once

#include <cstdint>
#include <string_view>

namespace mserve {

/** Messages nest no deeper in a model that is read. */
constexpr int kMaxDepth = 100;

enum class Message { Model, Training, Function, Graph, Node, Attribute, SparseTensor, Tensor, None };

/** Which message a length-delimited field holds; None = nothing that could refer to a file. Field numbers of onnx.proto. */
Message childOf(Message parent, uint32_t field);

/** Reads the fields of one message; every read is checked against the end. */
class Fields {
 public:
  explicit Fields(std::string_view bytes) : at_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  /** Moves to the next field. False at the end and on malformed bytes (see ok()). */
  bool next();

  bool ok() const { return ok_; }
  uint32_t field = 0;
  bool isBytes = false;
  /** What a length-delimited field holds. */
  std::string_view bytes;
  /** What a varint field holds. */
  uint64_t number = 0;
  /** The whole field, its tag included. */
  std::string_view whole;

 private:
  bool varint(uint64_t& value);
  bool skip(int wireType);

  const char* at_;
  const char* end_;
  bool ok_ = true;
};

}  // namespace mserve
