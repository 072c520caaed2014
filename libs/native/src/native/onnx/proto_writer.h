#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace mserve {

/** Appends fields of protobuf messages. */
inline void writeVarint(std::string& to, uint64_t value) {
  for (; value > 0x7f; value >>= 7) to.push_back(static_cast<char>(value | 0x80));
  to.push_back(static_cast<char>(value));
}

inline void writeBytes(std::string& to, uint32_t field, std::string_view bytes) {
  writeVarint(to, field << 3 | 2);
  writeVarint(to, bytes.size());
  to.append(bytes);
}

inline void writeNumber(std::string& to, uint32_t field, uint64_t number) {
  writeVarint(to, field << 3);
  writeVarint(to, number);
}

}  // namespace mserve
