#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "fake.h"

namespace fake {

namespace {

constexpr size_t kArenaBytes = size_t{1} << 30;

/** Memory of one device, mapped twice: where the host sees it, and cannot touch it, and where the fake can. No address is used again. */
struct Arena {
  uint8_t* shown = nullptr;
  uint8_t* alias = nullptr;
  size_t used = 0;
};

Arena& arenaOf(int device) {
  static std::map<int, Arena>& arenas = *new std::map<int, Arena>();
  Arena& arena = arenas[device];
  if (arena.shown != nullptr) return arena;
  const int file = ::memfd_create("fake-acl", MFD_CLOEXEC);
  if (file < 0 || ::ftruncate(file, kArenaBytes) != 0) std::abort();
  // Looks like an address of a device; any other will do where the process (a sanitizer) has none there
  void* const wanted = reinterpret_cast<void*>(0x12c000000000ULL + (static_cast<uint64_t>(device) << 36));
  void* shown = ::mmap(wanted, kArenaBytes, PROT_NONE, MAP_SHARED | MAP_NORESERVE, file, 0);
  void* alias = ::mmap(nullptr, kArenaBytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, file, 0);
  ::close(file);
  if (shown == MAP_FAILED || alias == MAP_FAILED) std::abort();
  arena.shown = static_cast<uint8_t*>(shown);
  arena.alias = static_cast<uint8_t*>(alias);
  return arena;
}

size_t capacityBytes() {
  const char* mb = std::getenv("FAKE_ACL_HBM_MB");
  return mb == nullptr ? kArenaBytes : static_cast<size_t>(std::atoll(mb)) << 20;
}

}  // namespace

Error allocate(size_t size, int device, void** address) {
  Arena& arena = arenaOf(device);
  const size_t real = (size + 31) / 32 * 32 + 32;
  if (world().bytesInUse + real > capacityBytes() || arena.used + real > kArenaBytes) return fail(kNoMemory, "out of device memory");
  uint8_t* const start = arena.shown + arena.used;
  Block block{size, device, arena.alias + arena.used, false};
  std::memset(block.alias, 0xCD, real);
  world().blocks.emplace(reinterpret_cast<uintptr_t>(start), block);
  arena.used += (real + 511) / 512 * 512;
  world().bytesInUse += real;
  *address = start;
  return 0;
}

Block* blockOf(const void* address, size_t size) {
  const auto at = reinterpret_cast<uintptr_t>(address);
  auto next = world().blocks.upper_bound(at);
  if (next == world().blocks.begin()) return nullptr;
  auto& [start, block] = *std::prev(next);
  return at + size <= start + block.size ? &block : nullptr;
}

uint8_t* aliasOf(const void* address, const Block& block) {
  const auto at = reinterpret_cast<uintptr_t>(address);
  return block.alias + (at - std::prev(world().blocks.upper_bound(at))->first);
}

namespace {

/** The side of a copy that is to be on the device; null and a code when it is not. */
uint8_t* deviceSide(const char* what, const void* address, size_t size, const Context& context, Block*& block, Error& code) {
  block = blockOf(address, size);
  if (block == nullptr) {
    violation(std::string(what) + ": not within one live block of device memory");
    code = fail(kRtParam, "not device memory");
    return nullptr;
  }
  if (block->device != context.device) violation(std::string(what) + ": memory of another device");
  return aliasOf(address, *block);
}

}  // namespace

}  // namespace fake

using namespace fake;

FAKE_ACL_API Error aclrtMalloc(void** address, size_t size, int) {
  Call call("aclrtMalloc");
  if (!call.isOk()) return call.code;
  Error code = 0;
  const Context* context = currentContext("aclrtMalloc", code);
  if (context == nullptr) return code;
  if (address == nullptr || size == 0) return fail(kInvalidParam, "size is 0");
  return allocate(size, context->device, address);
}

FAKE_ACL_API Error aclrtFree(void* address) {
  Call call("aclrtFree");
  World& all = world();
  const auto at = reinterpret_cast<uintptr_t>(address);
  const auto found = all.blocks.find(at);
  if (found == all.blocks.end()) {
    violation(all.freed.count(at) > 0 ? "aclrtFree twice" : "aclrtFree of what is no block");
    return fail(kRtParam, "no such memory");
  }
  for (const DataBuffer* buffer : all.buffers) {
    if (buffer->bytes == address) violation("aclrtFree of memory that a data buffer refers to");
  }
  std::memset(found->second.alias, 0xDD, found->second.size);
  all.bytesInUse -= (found->second.size + 31) / 32 * 32 + 32;
  all.freed.insert(at);
  all.blocks.erase(found);
  return call.code;
}

FAKE_ACL_API Error aclrtMemcpy(void* to, size_t capacity, const void* from, size_t count, int kind) {
  Call call("aclrtMemcpy");
  if (!call.isOk()) return call.code;
  Error code = 0;
  const Context* context = currentContext("aclrtMemcpy", code);
  if (context == nullptr) return code;
  if (count == 0) return 0;
  if (to == nullptr || from == nullptr) return fail(kInvalidParam, "null pointer");
  if (count > capacity) {
    violation("aclrtMemcpy of more than fits");
    return fail(kRtParam, "count > destMax");
  }
  if (kind != 1 && kind != 2) {
    violation("aclrtMemcpy of a kind that is not used");
    return fail(kRtParam, "kind");
  }
  Block* block = nullptr;
  uint8_t* device = deviceSide(kind == 1 ? "aclrtMemcpy to the device" : "aclrtMemcpy from the device", kind == 1 ? to : from, count, *context, block, code);
  if (device == nullptr) return code;
  if (blockOf(kind == 1 ? from : to, 1) != nullptr) {
    violation("aclrtMemcpy: both sides are on the device");
    return fail(kRtParam, "kind");
  }
  if (kind == 1) {
    std::memcpy(device, from, count);
    block->isWritten = true;
  } else {
    if (!block->isWritten) violation("aclrtMemcpy of device memory that was never written");
    std::memcpy(to, device, count);
  }
  return 0;
}

FAKE_ACL_API Error aclrtMemset(void* address, size_t capacity, int32_t value, size_t count) {
  Call call("aclrtMemset");
  if (!call.isOk()) return call.code;
  Error code = 0;
  const Context* context = currentContext("aclrtMemset", code);
  if (context == nullptr) return code;
  if (count > capacity) {
    violation("aclrtMemset of more than fits");
    return fail(kRtParam, "count > max");
  }
  Block* block = nullptr;
  uint8_t* device = deviceSide("aclrtMemset", address, count, *context, block, code);
  if (device == nullptr) return code;
  std::memset(device, value, count);
  block->isWritten = true;
  return 0;
}
