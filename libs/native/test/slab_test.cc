/**
 * Tests of the memory that processes share, without Node: slots and leases as threads of one process, and processes that are killed at each step.
 *   slab-test ROUNDS             all tests, more of what depends on luck
 *   slab-test --owner SLAB       makes a slab with one message and stops itself before and after; for the tests above
 *   slab-test --reader SLAB      reads that message, likewise
 * Exit code 0, or 1 and a line that says what was wrong.
 */
#include <signal.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "slab/slab_owner.h"
#include "slab/slab_reader.h"
#include "traced_process.h"

using namespace mserve::slab;
using namespace traced;

namespace {

constexpr uint64_t kMiB = 1 << 20;
constexpr uint64_t kToken = 12345;
constexpr uint64_t kLength = 100'000;

uint64_t newSlab() {
  std::random_device random;
  return static_cast<uint64_t>(random()) << 20 | random() >> 12;
}

struct Area {
  explicit Area(uint64_t size) : bytes(size), memory(static_cast<uint8_t*>(std::aligned_alloc(kPageBytes, size))) { std::memset(memory, 0, size); }
  ~Area() { std::free(memory); }
  const uint64_t bytes;
  uint8_t* const memory;
};

struct LeasePage {
  Area area{kLeaseBytes};
  Lease* leases() { return reinterpret_cast<Lease*>(area.memory); }
};

void testRoom(int rounds) {
  std::puts("pieces never overlap, and all room comes back");
  Area area(kDataOffset + 64 * kPageBytes);
  OwnedSlots slots(area.memory, area.bytes, kToken, [](uint64_t) { return true; });
  std::mt19937 random(1);
  std::map<uint8_t*, std::pair<Placed, uint64_t>> placed;
  for (int i = 0; i < 20'000 * rounds; i++) {
    if (random() % 2 == 0) {
      const uint64_t length = random() % (9 * kPageBytes);
      const auto one = slots.place(length);
      if (!one) continue;
      const auto next = placed.lower_bound(one->bytes);
      require(next == placed.end() || one->bytes + length <= next->first, "a piece overlaps the next one");
      require(next == placed.begin() || std::prev(next)->first + std::prev(next)->second.second <= one->bytes, "a piece overlaps the one before");
      require(one->bytes >= area.memory + kDataOffset && one->bytes + length <= area.memory + area.bytes, "a piece is outside");
      placed[one->bytes] = {*one, length};
    } else if (!placed.empty()) {
      const auto one = std::next(placed.begin(), static_cast<long>(random() % placed.size()));
      require(slots.free(one->second.first.slot, one->second.first.generation), "a piece cannot be freed");
      require(!slots.free(one->second.first.slot, one->second.first.generation), "a piece is freed twice");
      placed.erase(one);
    }
  }
  for (const auto& [bytes, one] : placed) slots.free(one.first.slot, one.first.generation);
  require(slots.usedBytes() == 0, "bytes are in use that nobody has");
  const auto whole = slots.place(64 * kPageBytes);
  require(whole.has_value(), "the room is in pieces");
  slots.free(whole->slot, whole->generation);
  for (uint32_t i = 0; i < 64; i++) require(slots.place(1).has_value(), "there is no room for small pieces");
  require(!slots.place(1).has_value(), "there is room that is not there");
  OwnedSlots poor(area.memory, area.bytes, kToken, [](uint64_t) { return false; });
  require(!poor.place(1).has_value(), "there is room without memory");
}

void testStrangers(int rounds) {
  std::puts("references that nobody gave");
  Area area(kDataOffset + 16 * kPageBytes);
  LeasePage page;
  OwnedSlots slots(area.memory, area.bytes, kToken, [](uint64_t) { return true; });
  LeasedSlots leased(area.memory, area.bytes, page.leases());
  slots.addReader(page.leases());
  const auto one = slots.place(5000);
  std::mt19937_64 random(2);
  const uint64_t numbers[] = {0, 1, 4096, 4999, 5000, 5001, UINT64_MAX, UINT64_MAX - 4999, 1ull << 63};
  const auto some = [&] { return random() % 3 == 0 ? random() : numbers[random() % std::size(numbers)]; };
  for (int i = 0; i < 100'000 * rounds; i++) {
    const uint32_t slot = random() % 4 == 0 ? static_cast<uint32_t>(random()) : one->slot;
    const uint64_t generation = random() % 4 == 0 ? some() : one->generation;
    const uint64_t offset = some();
    const uint64_t length = some();
    const uint8_t* bytes = leased.acquire(slot, generation, offset, length);
    const bool isRight = slot == one->slot && generation == one->generation && offset <= 5000 && length <= 5000 - offset;
    require((bytes != nullptr) == isRight, "a reference is taken that should not be, or not taken");
    if (bytes != nullptr) leased.release(slot);
  }
  // An owner that does not keep to the rules
  SlotHead& head = slotHeads(area.memory)[one->slot];
  for (const uint64_t offset : {uint64_t{0}, kDataOffset - 1, area.bytes + 1, UINT64_MAX}) {
    head.offset = offset;
    require(leased.acquire(one->slot, one->generation, 0, 5000) == nullptr, "a slot outside of the memory is read");
  }
  head.offset = kDataOffset;
  head.length = UINT64_MAX;
  require(leased.acquire(one->slot, one->generation, 0, 1) == nullptr, "a slot that is too long is read");
  head.length = 5000;
  slots.free(one->slot, one->generation);
  require(slots.usedBytes() == 0, "a lease was left behind");
}

/** Readers see what was told to them, or nothing, while the owner writes as fast as it can. */
void testRaces(int rounds) {
  std::puts("readers beside a writer");
  Area area(kDataOffset + 32 * kPageBytes);
  OwnedSlots slots(area.memory, area.bytes, kToken, [](uint64_t) { return true; });
  constexpr int kReaders = 3;
  std::vector<LeasePage> pages(kReaders);
  for (LeasePage& page : pages) slots.addReader(page.leases());
  struct Told {
    std::atomic<uint64_t> slot{0}, generation{0}, length{0}, value{0}, version{0};
  };
  std::vector<Told> told(8);
  std::atomic<bool> isOver{false};
  std::atomic<int> seen{0};
  std::vector<std::thread> readers;
  for (int i = 0; i < kReaders; i++) {
    readers.emplace_back([&, i] {
      LeasedSlots leased(area.memory, area.bytes, pages[i].leases());
      for (uint32_t n = i; !isOver; n++) {
        const Told& one = told[n % told.size()];
        const uint64_t before = one.version;
        const auto slot = static_cast<uint32_t>(one.slot.load());
        const uint64_t generation = one.generation, length = one.length, value = one.value;
        if (before % 2 == 1 || one.version != before) continue;
        const uint8_t* bytes = leased.acquire(slot, generation, 0, length);
        if (bytes == nullptr) continue;
        for (uint64_t at = 0; at < length; at++) require(bytes[at] == static_cast<uint8_t>(value), "a reader sees bytes of another message");
        seen++;
        leased.release(slot);
      }
    });
  }
  std::mt19937 random(3);
  std::vector<Placed> now(told.size());
  for (uint64_t i = 0; seen < 2'000 * rounds; i++) {
    const size_t index = random() % told.size();
    Told& one = told[index];
    if (now[index].bytes != nullptr) slots.free(now[index].slot, now[index].generation);
    now[index] = {};
    const uint64_t length = 1 + random() % (3 * kPageBytes);
    const auto placed = slots.place(length);
    if (!placed) continue;
    std::memset(placed->bytes, static_cast<int>(i), length);
    now[index] = *placed;
    one.version++;
    one.slot = placed->slot;
    one.generation = placed->generation;
    one.length = length;
    one.value = i;
    one.version++;
  }
  isOver = true;
  for (std::thread& reader : readers) reader.join();
  for (const Placed& each : now) {
    if (each.bytes != nullptr) slots.free(each.slot, each.generation);
  }
  require(slots.usedBytes() == 0, "a lease was left behind");
}

bool isThere(uint64_t slab) { return hasSocket("@mserve-slab-%016llx", slab); }

void testManyReaders() {
  std::puts("readers that come and go, and strangers at the socket");
  const uint64_t slab = newSlab();
  std::string why;
  auto owner = SlabOwner::make(slab, kToken, kMiB, why);
  require(owner != nullptr, why.c_str());
  const auto placed = owner->place(kLength);
  std::memset(placed->bytes, 42, kLength);
  require(SlabReader::open(slab, kToken + 1, 1000) == nullptr, "a wrong token opens the memory");
  require(SlabReader::open(slab + 1, kToken, 1000) == nullptr, "there is a slab that is not there");
  const Descriptor silent = connectTo(Handed::Slab, slab, 1000);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; i++) {
    threads.emplace_back([&] {
      for (int n = 0; n < 10; n++) {
        const auto reader = SlabReader::open(slab, kToken, kPatienceMs);
        require(reader != nullptr, "a reader cannot open the memory");
        const uint8_t* bytes = reader->acquire(placed->slot, placed->generation, 10, kLength - 10);
        require(bytes != nullptr && bytes[0] == 42 && bytes[kLength - 11] == 42, "a reader does not see the message");
        if (n % 2 == 0) reader->release(placed->slot);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  owner->free(placed->slot, placed->generation);
  untilTrue([&] { return owner->usedBytes() == 0; }, "a reader that left has a lease");
  const auto reader = SlabReader::open(slab, kToken, kPatienceMs);
  const auto last = owner->place(10);
  std::memset(last->bytes, 7, 10);
  const uint8_t* bytes = reader->acquire(last->slot, last->generation, 0, 10);
  owner.reset();
  untilTrue([&] { return reader->isOwnerGone(); }, "the end of an owner is not seen");
  require(bytes[9] == 7, "what is read went with its owner");
  require(!isThere(slab), "a socket was left behind");
}

// Processes that stop themselves (SIGSTOP) at moments that their tracer knows.

int runOwner(uint64_t slab) {
  stopTraced();
  std::string why;
  const auto owner = SlabOwner::make(slab, kToken, kMiB, why);
  if (owner == nullptr) return 1;
  const auto placed = owner->place(kLength);
  std::memset(placed->bytes, 42, kLength);
  ::raise(SIGSTOP);
  owner->free(placed->slot, placed->generation);
  ::raise(SIGSTOP);
  return 0;
}

int runReader(uint64_t slab, uint32_t slot, uint64_t generation) {
  stopTraced();
  const auto reader = SlabReader::open(slab, kToken, kPatienceMs);
  if (reader == nullptr) return 1;
  ::raise(SIGSTOP);
  const uint8_t* bytes = reader->acquire(slot, generation, 0, kLength);
  if (bytes == nullptr || bytes[kLength - 1] != 42) return 1;
  reader->release(slot);
  ::raise(SIGSTOP);
  return 0;
}

void testKilledReader(int stride) {
  std::puts("a reader that is killed at each step");
  const uint64_t slab = newSlab();
  std::string why;
  const auto owner = SlabOwner::make(slab, kToken, kMiB, why);
  require(owner != nullptr, why.c_str());
  const auto try1 = [&](int stop, bool isInstruction, int count) {
    const auto placed = owner->place(kLength);
    require(placed.has_value(), "room was lost");
    std::memset(placed->bytes, 42, kLength);
    const pid_t pid = begun({"--reader", std::to_string(slab), std::to_string(placed->slot), std::to_string(placed->generation)}, stop);
    const bool goesOn = steps(pid, isInstruction, count);
    owner->free(placed->slot, placed->generation);
    kill(pid);
    untilTrue([&] { return owner->usedBytes() == 0; }, "a reader that was killed has a lease");
    return goesOn;
  };
  int killed = 0;
  for (int count = 0; try1(0, false, count); count++) killed++;
  for (int count = 0; try1(1, true, count); count += stride) killed++;
  std::printf("  %d times\n", killed);
}

void testKilledOwner(int stride) {
  std::puts("an owner that is killed at each step");
  const auto try1 = [](int stop, bool isInstruction, int count) {
    const uint64_t slab = newSlab();
    const pid_t pid = begun({"--owner", std::to_string(slab)}, stop);
    const bool goesOn = steps(pid, isInstruction, count);
    // Its thread goes on while its main thread stands still; not in the middle of being made
    const auto reader = SlabReader::open(slab, kToken, 50);
    kill(pid);
    require(!isThere(slab), "a socket was left behind");
    if (reader != nullptr) {
      untilTrue([&] { return reader->isOwnerGone(); }, "the end of an owner is not seen");
      require(reader->acquire(0, 1, 0, 1) == nullptr, "a message is read that there is not");
    }
    return goesOn;
  };
  int killed = 0;
  for (int count = 0; try1(0, false, count); count += 2) killed++;
  for (int count = 0; try1(1, true, count); count += stride) killed++;
  std::printf("  %d times\n", killed);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string first = argc > 1 ? argv[1] : "1";
  if (first == "--owner") return runOwner(std::strtoull(argv[2], nullptr, 10));
  if (first == "--reader")
    return runReader(std::strtoull(argv[2], nullptr, 10), static_cast<uint32_t>(std::strtoul(argv[3], nullptr, 10)), std::strtoull(argv[4], nullptr, 10));
  const int rounds = std::max(1, std::atoi(first.c_str()));
  testRoom(rounds);
  testStrangers(rounds);
  testRaces(rounds);
  testManyReaders();
  testKilledReader(rounds == 1 ? 499 : 13);
  testKilledOwner(rounds == 1 ? 499 : 13);
  std::puts("passed");
  return 0;
}
