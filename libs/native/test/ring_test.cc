/**
 * Tests of the rings between processes, without Node: rings as threads of one process, and processes that are killed at each step.
 *   ring-test ROUNDS                 all tests, more of what depends on luck
 *   ring-test --writer HUB RING      writes to that ring and stops itself before and after; for the tests above
 *   ring-test --reader HUB RING      offers and reads that ring, likewise
 *   ring-test --busy-writer HUB RING writes to that ring without end
 *   ring-test --busy-reader HUB RING offers and reads that ring without end
 * Exit code 0, or 1 and a line that says what was wrong.
 */
#include <poll.h>

#include <algorithm>
#include <atomic>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "ring/ring_hub.h"
#include "traced_process.h"

using namespace mserve::ring;
using namespace traced;

namespace {

using Next = RingReader::Next;
using Result = RingWriter::Result;
using Bytes = std::vector<uint8_t>;

uint64_t newNumber() {
  std::random_device random;
  return (static_cast<uint64_t>(random()) << 20 | random() >> 12) + 1;
}

struct Area {
  Area() : memory(static_cast<uint8_t*>(std::aligned_alloc(4096, kMemoryBytes))) { std::memset(memory, 0, kMemoryBytes); }
  ~Area() { std::free(memory); }
  RingHead& head() { return *reinterpret_cast<RingHead*>(memory); }
  uint8_t* const memory;
};

/** Bytes that tell which record they are of. */
Bytes recordOf(uint64_t number, uint64_t length) {
  Bytes bytes(length);
  for (uint64_t i = 0; i < length; i++) bytes[i] = static_cast<uint8_t>(number * 31 + i * 7);
  return bytes;
}

uint64_t lengthOf(uint64_t number) { return number % 97 == 0 ? kMaxRecord - number % 9 : number * 7919 % 3000; }

void testRecords(int rounds) {
  std::puts("records come as they were written, and there is room for a pause at any time");
  Area area;
  RingReader reader(area.memory);
  RingWriter writer(area.memory);
  std::mt19937 random(1);
  uint64_t written = 0, taken = 0;
  bool wakes = false;
  Bytes target(kMaxRecord);
  require(writer.write(Kind::Bytes, target.data(), kMaxRecord + 1, wakes) == Result::Full, "a record is too long");
  for (int i = 0; i < 20'000 * rounds; i++) {
    if (random() % 2 == 0) {
      const Bytes bytes = recordOf(written, lengthOf(written));
      const uint64_t used = writer.written() - writer.taken();
      const bool fits = used + sizeOf(bytes.size()) + sizeOf(0) <= kBytes;
      const Result result = writer.write(Kind::Bytes, bytes.data(), bytes.size(), wakes);
      require(result == (fits ? Result::Written : Result::Full) && !wakes, "a record is not written as it should be");
      if (fits) written++;
      if (fits) continue;
      require(writer.write(Kind::Pause, nullptr, 0, wakes) == Result::Written, "there is no room for a pause");
      uint64_t length = 1;
      while (taken < written) {
        require(reader.look(reader.written(), length) == Next::Bytes && length == lengthOf(taken), "a record is not there");
        reader.take(target.data());
        taken++;
      }
      require(reader.look(reader.written(), length) == Next::Pause && length == 0, "a pause is not there");
      reader.take(target.data());
    } else {
      uint64_t length = 0;
      const Next next = reader.look(reader.written(), length);
      require(next == (taken < written ? Next::Bytes : Next::None), "there is another record than was written");
      if (next == Next::None) continue;
      const Bytes bytes = recordOf(taken, lengthOf(taken));
      reader.take(target.data());
      require(length == bytes.size() && std::equal(bytes.begin(), bytes.end(), target.begin()), "a record has other bytes");
      taken++;
    }
  }
  reader.close();
  require(writer.write(Kind::Bytes, target.data(), 1, wakes) == Result::Closed, "a closed ring is written to");
}

/** Whoever writes what it likes into the memory gets the other side to stop, at most. */
void testStrangers(int rounds) {
  std::puts("memory that the other side fills with anything");
  std::mt19937_64 random(2);
  Bytes target(kMaxRecord);
  const uint64_t numbers[] = {0, 1, 7, 8, 16, kBytes - 8, kBytes, kBytes + 8, UINT64_MAX, UINT64_MAX - 7, 1ull << 63};
  for (int i = 0; i < 3'000 * rounds; i++) {
    Area area;
    RingReader reader(area.memory);
    RingWriter writer(area.memory);
    bool wakes = false;
    for (uint64_t n = 0, count = random() % 40; n < count; n++) {
      writer.write(Kind::Bytes, target.data(), random() % 30'000, wakes);
      uint64_t length = 0;
      if (random() % 3 != 0 && reader.look(reader.written(), length) == Next::Bytes) reader.take(target.data());
    }
    const bool isWriterBad = random() % 2 == 0;
    std::atomic<uint64_t>& position = isWriterBad ? area.head().written : area.head().taken;
    position = random() % 2 == 0 ? numbers[random() % std::size(numbers)] : position + numbers[random() % std::size(numbers)];
    if (isWriterBad) {
      for (int n = 0; n < 100; n++) {
        const uint64_t words[] = {random(), (uint64_t{1} << 32) | random() % (2 * kMaxRecord), (uint64_t{2} << 32) | random() % 2};
        std::memcpy(area.memory + kHeadBytes + random() % (kBytes / 8) * 8, &words[random() % 3], 8);
      }
    }
    for (int n = 0; n < 1000; n++) {
      uint64_t length = 0;
      const Next next = reader.look(reader.written(), length);
      require(next != Next::Bytes || length <= kMaxRecord, "a record is longer than any can be");
      if (next == Next::None || next == Next::Broken) break;
      reader.take(target.data());
    }
    const uint64_t before = writer.written();
    const Result result = writer.write(Kind::Bytes, target.data(), random() % kMaxRecord, wakes);
    require(writer.written() - writer.taken() <= kBytes, "more is written than there is room for");
    require(result == Result::Written || writer.written() == before, "what was not written counts as written");
  }
}

/** Waits for the event of a hub; false: nobody raised it. */
bool isWoken(const Descriptor& event) {
  pollfd polled = {event.number(), POLLIN, 0};
  if (::poll(&polled, 1, kPatienceMs) != 1) return false;
  mserve::slab::clear(event);
  return true;
}

/** A reader that sleeps whenever there is nothing is woken for every record. */
void testRaces(int rounds) {
  std::puts("a reader that sleeps beside a writer");
  Area area;
  RingReader reader(area.memory);
  const Descriptor event = mserve::slab::makeEvent();
  const uint64_t count = 50'000ull * rounds;
  std::thread thread([&] {
    RingWriter writer(area.memory);
    for (uint64_t number = 0; number < count;) {
      const Bytes bytes = recordOf(number, number * 7919 % 300);
      bool wakes = false;
      const Result result = writer.write(Kind::Bytes, bytes.data(), bytes.size(), wakes);
      if (wakes) mserve::slab::raise(event);
      if (result == Result::Written) number++;
      else std::this_thread::yield();
      if (number % 100 == 0) std::this_thread::yield();
    }
  });
  Bytes target(kMaxRecord);
  for (uint64_t number = 0; number < count;) {
    reader.sleep();
    if (!reader.hasMore()) require(isWoken(event), "a writer did not wake the reader");
    reader.wake();
    uint64_t length = 0;
    for (const uint64_t end = reader.written(); reader.look(end, length) == Next::Bytes; number++) {
      const Bytes bytes = recordOf(number, number * 7919 % 300);
      reader.take(target.data());
      require(length == bytes.size() && std::equal(bytes.begin(), bytes.end(), target.begin()), "a record has other bytes");
    }
  }
  thread.join();
}

/** A hub, and what came through it. */
struct Process {
  explicit Process(uint64_t named = newNumber()) : number(named) {
    std::string why;
    hub = RingHub::make(number, why);
    require(hub != nullptr, why.c_str());
  }
  void read() {
    for (bool isOver = false; !isOver;) {
      std::vector<Event> events;
      RingHub::Room room = {bytes.data(), bytes.size(), 0, 0, 5};
      isOver = hub->read(room, events);
      for (const Event& event : events) {
        if (event.kind == Event::Bytes) records.emplace_back(bytes.begin() + event.offset, bytes.begin() + event.offset + event.length);
        else ends.push_back(event);
      }
    }
  }
  bool has(Event::Kind kind) {
    read();
    return std::any_of(ends.begin(), ends.end(), [kind](const Event& event) { return event.kind == kind; });
  }
  const uint64_t number;
  std::unique_ptr<RingHub> hub;
  Bytes bytes = Bytes(kMaxRecord + 100);
  std::vector<Bytes> records;
  std::vector<Event> ends;
};

Result write(RingHub& hub, uint64_t outlet, uint64_t number, uint64_t length) {
  const Bytes bytes = recordOf(number, length);
  return hub.outlet(outlet)->write(Kind::Bytes, bytes.data(), bytes.size());
}

bool isThere(uint64_t hub) { return hasSocket("@mserve-ring-%016llx", hub); }

void testHub() {
  std::puts("rings are given once, begun, paused, and ended from both sides");
  Process reader, writer;
  const auto open = [&](uint64_t ring) { return Outlet::open(reader.number, ring, kPatienceMs); };
  require(reader.hub->offer(7) && !reader.hub->offer(7), "a ring is offered twice");
  require(open(8) == nullptr, "there is a ring that is not there");
  writer.hub->add(1, open(7));
  require(open(7) == nullptr, "a ring has two writers");
  require(write(*writer.hub, 1, 1, 100) == Result::Written, "a record is not written");
  reader.read();
  require(reader.records.empty(), "a ring is read that was not begun");
  require(reader.hub->begin(7) && !reader.hub->begin(7), "a ring is begun twice");
  reader.read();
  require(reader.records == std::vector<Bytes>{recordOf(1, 100)}, "a record does not come");
  require(!reader.hub->sleep(), "there is something that is not there");
  write(*writer.hub, 1, 2, 3000);
  require(isWoken(reader.hub->wakeUps()) && reader.hub->hasNews(), "a reader is not woken");
  writer.hub->outlet(1)->write(Kind::Pause, nullptr, 0);
  write(*writer.hub, 1, 3, kMaxRecord);
  writer.hub->leave(1);
  untilTrue([&] { return reader.has(Event::Orphaned); }, "the end of a writer is not seen");
  require(reader.records.size() == 2 && reader.ends.size() == 1, "a ring is read on after a pause");
  require(reader.hub->begin(7) && reader.has(Event::Ended) && reader.records.back() == recordOf(3, kMaxRecord), "a ring is not read to its end");
  require(!reader.hub->begin(7), "a ring is there that has ended");
  require(reader.hub->offer(9), "a ring cannot be offered");
  writer.hub->add(2, open(9));
  reader.hub->begin(9);
  for (uint64_t i = 0; i < 40; i++) write(*writer.hub, 2, i, 1000);
  reader.records.clear();
  reader.read();
  require(reader.records.size() == 40 && reader.records[39] == recordOf(39, 1000), "many records do not come");
  const uint64_t taken = writer.hub->outlet(2)->writer.written();
  write(*writer.hub, 2, 40, 10);
  reader.hub->close(9);
  require(write(*writer.hub, 2, 41, 10) == Result::Closed, "a closed ring is written to");
  untilTrue([&] { return writer.has(Event::Left); }, "the end of a reader is not seen");
  require(writer.hub->outlet(2)->writer.taken() == taken, "a record counts as taken that was not");
  require(reader.hub->offer(10), "a ring cannot be offered");
  writer.hub->add(3, open(10));
  reader.hub->begin(10);
  write(*writer.hub, 3, 0, 64);
  reinterpret_cast<RecordHead*>(writer.hub->outlet(3)->memory.memory() + kHeadBytes)->length = UINT32_MAX;
  require(reader.has(Event::Broken) && write(*writer.hub, 3, 1, 1) == Result::Closed, "a broken ring is read on");
  const uint64_t number = reader.number;
  reader.hub.reset();
  require(!isThere(number), "a socket was left behind");
}

constexpr uint64_t kRecords = 5;
constexpr uint64_t kBeforePause = 3;
constexpr uint64_t kStep = 9;  // each record is so much longer than the one before

int runWriter(uint64_t hub, uint64_t ring) {
  stopTraced();
  const auto outlet = Outlet::open(hub, ring, kPatienceMs);
  if (outlet == nullptr) return 1;
  std::vector<Bytes> records;
  for (uint64_t i = 0; i < kRecords; i++) records.push_back(recordOf(i, i * kStep));
  ::raise(SIGSTOP);
  for (uint64_t i = 0; i < kRecords; i++) {
    if (i == kBeforePause && outlet->write(Kind::Pause, nullptr, 0) != Result::Written) return 1;
    if (outlet->write(Kind::Bytes, records[i].data(), records[i].size()) != Result::Written) return 1;
  }
  ::raise(SIGSTOP);
  return 0;
}

int runReader(uint64_t number, uint64_t ring) {
  stopTraced();
  std::string why;
  const auto hub = RingHub::make(number, why);
  if (hub == nullptr || !hub->offer(ring) || !hub->begin(ring)) return 1;
  Bytes bytes(kMaxRecord);
  std::vector<Event> events;
  events.reserve(kRecords);
  RingHub::Room room = {bytes.data(), bytes.size(), 0, 0, kRecords};
  ::raise(SIGSTOP);
  hub->sleep();
  hub->wake();
  hub->read(room, events);
  ::raise(SIGSTOP);
  return 0;
}

/** `times`: at so many of its instructions, evenly spread; how many there are depends on the compiler. */
void testKilledWriter(int times) {
  std::puts("a writer that is killed at each step");
  Process reader;
  uint64_t ring = 0;
  int made = 0;
  const auto try1 = [&](int stop, bool isInstruction, int count) {
    reader.records.clear();
    reader.ends.clear();
    require(reader.hub->offer(++ring) && reader.hub->begin(ring), "room was lost");
    const pid_t pid = begun({"--writer", std::to_string(reader.number), std::to_string(ring)}, stop);
    const bool goesOn = steps(pid, isInstruction, count, &made);
    reader.hub->sleep();
    kill(pid);
    // One that was killed before it had the ring is not missed; who offered it gives it up
    if (stop == 1) untilTrue([&] { return reader.has(Event::Ended) || reader.has(Event::Orphaned); }, "the end of a writer is not seen");
    if (reader.has(Event::Orphaned)) {
      require(reader.records.size() == kBeforePause, "a ring is read on after a pause, or not up to it");
      require(reader.hub->begin(ring) && reader.has(Event::Ended), "a ring is not read to its end");
    }
    reader.read();
    require(stop == 0 || !reader.ends.empty(), "the end of a writer is not told");
    for (uint64_t i = 0; i < reader.records.size(); i++) require(reader.records[i] == recordOf(i, i * kStep), "half a record is read");
    require(goesOn || stop == 0 || reader.records.size() == kRecords, "a record is lost that was written");
    reader.hub->close(ring);
    return goesOn;
  };
  int killed = 0;
  for (int count = 0; try1(0, false, count); count++) killed++;
  try1(1, true, INT_MAX);
  for (int count = 0, stride = std::max(1, made / times); try1(1, true, count); count += stride) killed++;
  std::printf("  %d times\n", killed);
}

void testKilledReader(int times) {
  std::puts("a reader that is killed at each step");
  Process writer;
  uint64_t outlet = 0;
  int made = 0;
  const auto try1 = [&](int stop, bool isInstruction, int count) {
    const uint64_t number = newNumber();
    const pid_t pid = begun({"--reader", std::to_string(number), "5"}, stop);
    std::vector<uint64_t> ends = {0};
    outlet++;
    const auto write1 = [&] {
      // Its thread goes on while its main thread stands still; not in the middle of being made
      const auto opened = Outlet::open(number, 5, stop == 0 ? 50 : kPatienceMs);
      if (opened == nullptr) return false;
      writer.hub->add(outlet, opened);
      for (uint64_t i = 0; i < kRecords; i++) {
        require(write(*writer.hub, outlet, i, i * kStep) == Result::Written, "a record is not written");
        ends.push_back(opened->writer.written());
      }
      return true;
    };
    const bool isOpenEarly = stop == 1 && write1();
    const bool goesOn = steps(pid, isInstruction, count, &made);
    const bool isOpen = isOpenEarly || (stop == 0 && write1());
    writer.ends.clear();
    kill(pid);
    require(!isThere(number), "a socket was left behind");
    if (isOpen) {
      untilTrue([&] { return writer.has(Event::Left); }, "the end of a reader is not seen");
      const uint64_t taken = writer.hub->outlet(outlet)->writer.taken();
      require(std::find(ends.begin(), ends.end(), taken) != ends.end(), "half a record counts as taken");
      require(goesOn || stop == 0 || taken == ends.back(), "a record that was read does not count as taken");
      writer.hub->leave(outlet);
    }
    return goesOn;
  };
  int killed = 0;
  for (int count = 0; try1(0, false, count); count += 2) killed++;
  try1(1, true, INT_MAX);
  for (int count = 0, stride = std::max(1, made / times); try1(1, true, count); count += stride) killed++;
  std::printf("  %d times\n", killed);
}

uint64_t busyLengthOf(uint64_t number) { return number % 31 == 0 ? kBytes / 7 : number * 7919 % 3000; }

int runBusyWriter(uint64_t hub, uint64_t ring) {
  const auto outlet = Outlet::open(hub, ring, kPatienceMs);
  if (outlet == nullptr) return 1;
  for (uint64_t number = 0;;) {
    const Bytes bytes = recordOf(number, busyLengthOf(number));
    const Result result = outlet->write(Kind::Bytes, bytes.data(), bytes.size());
    if (result == Result::Closed) return 1;
    if (result == Result::Written) number++;
    else std::this_thread::yield();
  }
}

/** Sleeps where there is nothing, and checks each record. */
void readBusily(Process& reader, uint64_t& next) {
  if (!reader.hub->sleep()) require(isWoken(reader.hub->wakeUps()), "nobody wakes the reader");
  reader.hub->wake();
  reader.read();
  for (const Bytes& bytes : reader.records) {
    require(bytes == recordOf(next, busyLengthOf(next)), "a record is not the next one, or half of it");
    next++;
  }
  reader.records.clear();
}

int runBusyReader(uint64_t hub, uint64_t ring) {
  Process reader(hub);
  if (!reader.hub->offer(ring) || !reader.hub->begin(ring)) return 1;
  for (uint64_t next = 0;;) readBusily(reader, next);
}

/** Round and round the ring, up to some record or other. */
void testKilledAtWork(int times) {
  std::puts("writers and readers that are killed at work");
  std::mt19937 random(3);
  uint64_t read = 0;
  for (int i = 0; i < times; i++) {
    Process reader;
    require(reader.hub->offer(1) && reader.hub->begin(1), "a ring cannot be offered");
    const pid_t pid = start({"--busy-writer", std::to_string(reader.number), "1"});
    uint64_t next = 0;
    for (const uint64_t last = random() % 2000; next <= last;) readBusily(reader, next);
    kill(pid);
    while (reader.ends.empty()) readBusily(reader, next);
    require(reader.ends.size() == 1 && reader.ends[0].kind == Event::Ended, "a writer that was killed has not just ended");
    read += next;
  }
  std::printf("  %d writers, %llu records\n", times, static_cast<unsigned long long>(read));
  read = 0;
  for (int i = 0; i < times; i++) {
    Process writer;
    const uint64_t hub = newNumber();
    const pid_t pid = start({"--busy-reader", std::to_string(hub), "1"});
    std::shared_ptr<Outlet> outlet;
    untilTrue([&] { return (outlet = Outlet::open(hub, 1, kPatienceMs)) != nullptr; }, "a reader does not begin");
    writer.hub->add(1, outlet);
    std::vector<uint64_t> ends = {0};
    for (const uint64_t last = random() % 2000; ends.size() <= last;) {
      const Bytes bytes = recordOf(ends.size() - 1, busyLengthOf(ends.size() - 1));
      const Result result = outlet->write(Kind::Bytes, bytes.data(), bytes.size());
      require(result != Result::Closed, "a ring is closed that is read");
      if (result == Result::Written) ends.push_back(outlet->writer.written());
      else std::this_thread::yield();
    }
    kill(pid);
    untilTrue([&] { return writer.has(Event::Left); }, "the end of a reader is not seen");
    const auto taken = std::find(ends.begin(), ends.end(), outlet->writer.taken());
    require(taken != ends.end(), "half a record counts as taken");
    read += taken - ends.begin();
  }
  std::printf("  %d readers, %llu records\n", times, static_cast<unsigned long long>(read));
}

}  // namespace

int main(int argc, char** argv) {
  const std::string first = argc > 1 ? argv[1] : "1";
  if (first == "--writer") return runWriter(std::strtoull(argv[2], nullptr, 10), std::strtoull(argv[3], nullptr, 10));
  if (first == "--reader") return runReader(std::strtoull(argv[2], nullptr, 10), std::strtoull(argv[3], nullptr, 10));
  if (first == "--busy-writer") return runBusyWriter(std::strtoull(argv[2], nullptr, 10), std::strtoull(argv[3], nullptr, 10));
  if (first == "--busy-reader") return runBusyReader(std::strtoull(argv[2], nullptr, 10), std::strtoull(argv[3], nullptr, 10));
  const int rounds = std::max(1, std::atoi(first.c_str()));
  testRecords(rounds);
  testStrangers(rounds);
  testRaces(rounds);
  testHub();
  testKilledWriter(rounds == 1 ? 10 : 100);
  testKilledReader(rounds == 1 ? 10 : 100);
  testKilledAtWork(5 * rounds);
  std::puts("passed");
  return 0;
}
