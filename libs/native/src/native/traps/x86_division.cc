#include "traps/x86_division.h"

#if MSERVE_DIVISIONS_TRAP

#include <cstdint>
#include <cstring>

namespace mserve {

namespace {

/** Places in gregs by the processor's register numbers. */
constexpr int kRegisters[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
constexpr int kRax = 0;
constexpr int kRdx = 2;
constexpr int kRsp = 4;
constexpr int kRbp = 5;

/** A decoded division: what it divides by, and where it ends. */
struct Division {
  bool isSigned = false;
  int bytes = 4;  // of the operand: 1, 2, 4 or 8
  uint64_t divisor = 0;
  const uint8_t* end = nullptr;
};

/** Reads one instruction. The bytes are there: the processor has just read them. */
class Decoder {
 public:
  explicit Decoder(const greg_t* registers) : registers_(registers), at_(reinterpret_cast<const uint8_t*>(registers[REG_RIP])) {}

  /** False for anything but F6 /6 /7 and F7 /6 /7 (div and idiv) with an operand in a register or in memory of the flat address space. */
  bool decode(Division& division) {
    if (!readPrefixes()) return false;
    const uint8_t opcode = *at_++;
    if (opcode != 0xF6 && opcode != 0xF7) return false;
    const uint8_t modRm = *at_++;
    const int operation = (modRm >> 3) & 7;
    if (operation != 6 && operation != 7) return false;
    division.isSigned = operation == 7;
    division.bytes = opcode == 0xF6 ? 1 : (rex_ & 8) != 0 ? 8 : is16Bit_ ? 2 : 4;
    if (modRm >> 6 == 3) {
      division.divisor = ofRegister(modRm & 7, division.bytes);
    } else {
      const uint8_t* address = addressOf(modRm);
      std::memcpy(&division.divisor, address, static_cast<size_t>(division.bytes));
    }
    division.end = at_;
    return true;
  }

 private:
  bool readPrefixes() {
    for (int count = 0; count < 14; count++) {
      const uint8_t byte = *at_;
      if (byte == 0x66) {
        is16Bit_ = true;
      } else if (byte >= 0x40 && byte <= 0x4F) {
        rex_ = byte;
        at_++;
        return true;  // the opcode follows a REX prefix at once
      } else if (byte != 0x2E && byte != 0x36 && byte != 0x3E && byte != 0x26 && byte != 0xF2 && byte != 0xF3) {
        return byte == 0xF6 || byte == 0xF7;  // 64 and 65 (thread-local memory) and 67 (32-bit addresses): not in compiled arithmetic
      }
      at_++;
    }
    return false;
  }

  uint64_t full(int number) const { return static_cast<uint64_t>(registers_[kRegisters[number]]); }

  uint64_t ofRegister(int field, int bytes) const {
    if (bytes == 1 && rex_ == 0 && field >= 4) return (full(field - 4) >> 8) & 0xFF;  // ah, ch, dh, bh
    const uint64_t value = full(field | (rex_ & 1) << 3);
    return bytes == 8 ? value : value & ((uint64_t{1} << (8 * bytes)) - 1);
  }

  /** The operand's address; reads the SIB byte and the displacement. No immediate follows, so the instruction ends there. */
  const uint8_t* addressOf(uint8_t modRm) {
    const int mode = modRm >> 6;
    const int base = modRm & 7;
    uint64_t address = 0;
    bool hasWideDisplacement = mode == 2;
    bool isRelative = false;
    if (base == kRsp) {
      const uint8_t sib = *at_++;
      const int index = ((sib >> 3) & 7) | (rex_ & 2) << 2;
      if (index != kRsp) address += full(index) << (sib >> 6);
      if ((sib & 7) == kRbp && mode == 0) {
        hasWideDisplacement = true;
      } else {
        address += full((sib & 7) | (rex_ & 1) << 3);
      }
    } else if (base == kRbp && mode == 0) {
      hasWideDisplacement = isRelative = true;
    } else {
      address += full(base | (rex_ & 1) << 3);
    }
    if (mode == 1) {
      address += static_cast<uint64_t>(static_cast<int64_t>(static_cast<int8_t>(*at_++)));
    } else if (hasWideDisplacement) {
      int32_t displacement = 0;
      std::memcpy(&displacement, at_, sizeof displacement);
      at_ += sizeof displacement;
      address += static_cast<uint64_t>(static_cast<int64_t>(displacement));
    }
    if (isRelative) address += reinterpret_cast<uint64_t>(at_);
    return reinterpret_cast<const uint8_t*>(address);
  }

  const greg_t* registers_;
  const uint8_t* at_;
  uint8_t rex_ = 0;
  bool is16Bit_ = false;
};

/** Writes the low bytes of a register as the processor does: 4 bytes clear the upper half, fewer leave the rest. */
void write(greg_t& target, uint64_t value, int bytes) {
  const uint64_t mask = bytes == 8 ? ~uint64_t{0} : (uint64_t{1} << (8 * bytes)) - 1;
  const uint64_t kept = bytes >= 4 ? 0 : static_cast<uint64_t>(target) & ~mask;
  target = static_cast<greg_t>(kept | (value & mask));
}

bool isSmallestByMinusOne(const Division& division, const greg_t* registers) {
  const int bits = 8 * division.bytes;
  const uint64_t mask = division.bytes == 8 ? ~uint64_t{0} : (uint64_t{1} << bits) - 1;
  if (!division.isSigned || division.divisor != mask) return false;
  const uint64_t smallest = uint64_t{1} << (bits - 1);
  const auto rax = static_cast<uint64_t>(registers[kRegisters[kRax]]);
  const auto rdx = static_cast<uint64_t>(registers[kRegisters[kRdx]]);
  const uint64_t upper = division.bytes == 1 ? rax >> 8 : rdx;  // of the dividend, which is twice as wide
  return (rax & mask) == smallest && (upper & mask) == mask;
}

}  // namespace

SettledDivision settleDivision(ucontext_t& context) {
  greg_t* registers = context.uc_mcontext.gregs;
  Division division;
  if (!Decoder(registers).decode(division)) return SettledDivision::None;
  const bool isWrapped = isSmallestByMinusOne(division, registers);
  const uint64_t quotient = isWrapped ? uint64_t{1} << (8 * division.bytes - 1) : 0;
  if (division.bytes == 1) {
    write(registers[REG_RAX], quotient, 2);  // al the quotient, ah the remainder
  } else {
    write(registers[REG_RAX], quotient, division.bytes);
    write(registers[REG_RDX], 0, division.bytes);
  }
  registers[REG_RIP] = reinterpret_cast<greg_t>(division.end);
  return isWrapped ? SettledDivision::Wrapped : SettledDivision::Undefined;
}

}  // namespace mserve

#endif
