/**
 * Tests of the communicator between ranks, without Node: rank_test ROUNDS. Ranks are threads here. Also built with the address and the thread
 * sanitizer; libs/native/src/rank-tests.spec.ts runs it. Exit code 0 and the names of the tests, or 1 and what went wrong.
 */
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <cstring>
#include <functional>
#include <future>
#include <random>

#include "rank/address.h"
#include "rank/greeting.h"
#include "rank/half_float.h"
#include "rank/rank_core.h"
#include "rank_world.h"

using namespace mserve;
using namespace mserve::rank;
using namespace mserve::rank::testing;

namespace {

void halfFloats() {
  for (uint32_t bits = 0; bits < 0x10000; bits++) {
    const auto half = static_cast<uint16_t>(bits);
    const float value = floatOfHalf(half);
    const uint16_t back = halfOfFloat(value);
    expect(std::isnan(value) ? std::isnan(floatOfHalf(back)) : back == half, "half " + std::to_string(bits));
    const float brain = floatOfBfloat(half);
    expect(std::isnan(brain) ? std::isnan(floatOfBfloat(bfloatOfFloat(brain))) : bfloatOfFloat(brain) == half, "bfloat " + std::to_string(bits));
    if ((bits & 0x7fffU) >= 0x7bffU) continue;
    // Between two neighbours: the nearer one, and the even one in the middle
    const float next = floatOfHalf(static_cast<uint16_t>(half + 1));
    const float middle = (value + next) / 2;
    expect(halfOfFloat(middle) == (half % 2 == 0 ? half : half + 1), "half between " + std::to_string(bits));
    expect(halfOfFloat(std::nextafter(middle, value)) == half, "half nearer to " + std::to_string(bits));
    expect(halfOfFloat(std::nextafter(middle, next)) == half + 1, "half farther from " + std::to_string(bits));
  }
  expect(floatOfHalf(0x3c00) == 1 && floatOfHalf(0x0001) == std::ldexp(1.0F, -24) && floatOfHalf(0xfc00) == -INFINITY, "known halves");
  expect(halfOfFloat(65519) == 0x7bff && halfOfFloat(65520) == 0x7c00, "the greatest half");
}

/** Sums of numbers that are exact in any order, so that every way gives the same. */
void collectives(uint32_t size, bool sharesMemory, int rounds) {
  World world(size, sharesMemory);
  for (int round = 0; round < rounds; round++) {
    world.form();
    world.each([&](Member& member) {
      std::mt19937 random(round);  // the same on all ranks
      Failure& failure = member.failure;
      MeshCommunicator& communicator = *member.communicator;
      for (uint64_t batch = 1; batch <= 3; batch++) {
        communicator.beginBatch(batch, nowNs() + 60'000'000'000);
        for (int step = 0; step < 12; step++) {
          std::vector<uint32_t> ranks = allOf(size);
          std::shuffle(ranks.begin(), ranks.end(), random);
          ranks.resize(1 + random() % size);
          const size_t count = std::vector<size_t>{0, 1, 7, 1000, 30'000}[random() % 5];
          const uint32_t kind = random() % 4;
          const bool isMember = std::find(ranks.begin(), ranks.end(), member.rank) != ranks.end();
          if (!isMember) continue;
          const Group group = groupOf(ranks, member.rank);
          int32_t sum = 0;
          for (uint32_t rank : ranks) sum += static_cast<int32_t>(rank) + step;
          const std::vector<int32_t> input(kind == 2 ? count * group.size() : count, static_cast<int32_t>(member.rank) + step);
          std::vector<int32_t> output(kind == 1 ? count * group.size() : count);
          bool done = false;
          if (kind == 0) {
            done = communicator.allReduce(group, bytesOf(input), bytesOf(output), count, ElementType::Int32, Reduction::Sum, failure);
          } else if (kind == 1) {
            done = communicator.allGather(group, bytesOf(input), bytesOf(output), count * 4, ElementType::Int32, failure);
          } else if (kind == 2) {
            done = communicator.reduceScatter(group, bytesOf(input), bytesOf(output), count, ElementType::Int32, Reduction::Sum, failure);
          } else {
            output = input;
            std::vector<Part> parts = {{member.rank, bytesOf(output), count * 4, ElementType::Int32}};
            done = communicator.broadcast(group, ranks[0], parts, failure);
          }
          expect(done, "step: " + failure.message);
          if (!done) {
            communicator.leave(failure);
            return;
          }
          for (size_t i = 0; i < output.size(); i++) {
            const int32_t wanted = kind == 0 || kind == 2 ? sum : static_cast<int32_t>(ranks[kind == 1 ? i / count : 0]) + step;
            if (output[i] == wanted) continue;
            expect(false, "kind " + std::to_string(kind) + " gives " + std::to_string(output[i]) + ", not " + std::to_string(wanted));
            break;
          }
        }
        expect(communicator.endBatch(failure), "end of batch");
      }
    });
  }
}

/** Parts of different lengths between all ranks, the own one included. */
void unevenParts(bool sharesMemory) {
  constexpr uint32_t kSize = 3;
  World world(kSize, sharesMemory);
  world.form();
  world.each([](Member& member) {
    const Group group = groupOf({2, 0, 1}, member.rank);
    std::vector<std::vector<uint8_t>> given;
    std::vector<std::vector<uint8_t>> got;
    std::vector<Part> parts;
    std::vector<Part> taken;
    const auto lengthOf = [](uint32_t from, uint32_t to) { return static_cast<size_t>(from) * 20'001 + to; };
    for (uint32_t peer : group.ranks) {
      given.emplace_back(lengthOf(member.rank, peer), static_cast<uint8_t>(10 * member.rank + peer));
      got.emplace_back(lengthOf(peer, member.rank));
    }
    for (uint32_t i = 0; i < kSize; i++) {
      parts.push_back({group.ranks[i], given[i].data(), given[i].size(), ElementType::Uint8});
      taken.push_back({group.ranks[i], got[i].data(), got[i].size(), ElementType::Uint8});
    }
    member.communicator->beginBatch(1, nowNs() + 20'000'000'000);
    expect(member.communicator->allToAll(group, parts, taken, member.failure), "allToAll: " + member.failure.message);
    for (uint32_t i = 0; i < kSize; i++) {
      const std::vector<uint8_t> wanted(got[i].size(), static_cast<uint8_t>(10 * group.ranks[i] + member.rank));
      expect(got[i] == wanted, "part of rank " + std::to_string(group.ranks[i]));
    }
  });
}

/** A peer that greets as it should and then sends what it likes. */
class Impostor {
 public:
  Impostor(const FormationRequest& request, uint32_t called) {
    control_ = greet(request, called, Channel::Control);
    data_ = greet(request, called, Channel::Data);
  }
  void send(const void* bytes, size_t length) { expect(::send(data_.number(), bytes, length, MSG_NOSIGNAL) == static_cast<ssize_t>(length), "send"); }
  void sendControl(const void* bytes, size_t length) { expect(::send(control_.number(), bytes, length, MSG_NOSIGNAL) == static_cast<ssize_t>(length), "send"); }
  void closeData() { data_.close(); }

 private:
  static Descriptor greet(const FormationRequest& request, uint32_t called, Channel channel) {
    SocketAddress address;
    address.parse(request.endpoints[called].address, request.endpoints[called].port);
    Greeting mine;
    mine.epoch = request.epoch;
    mine.from = request.rank;
    mine.to = called;
    mine.rankSize = static_cast<uint32_t>(request.endpoints.size());
    mine.channel = channel;
    mine.proof = request.shown[called];
    for (;;) {
      Descriptor socket(::socket(AF_INET, SOCK_STREAM, 0));
      Greeting theirs;
      if (::connect(socket.number(), address.get(), address.length) != 0) continue;
      if (::send(socket.number(), &mine, sizeof(mine), MSG_NOSIGNAL) != sizeof(mine)) continue;
      if (::recv(socket.number(), &theirs, sizeof(theirs), MSG_WAITALL) != sizeof(theirs) || theirs.answer != Answer::Welcome) continue;
      if (channel == Channel::Control && ::send(socket.number(), &mine, sizeof(mine), MSG_NOSIGNAL) != sizeof(mine)) continue;
      return socket;
    }
  }

  Descriptor control_;
  Descriptor data_;
};

/** What rank 0 says of a peer that sends `bytes` instead of an allReduce of 8 bytes in batch 1. */
Failure against(const std::function<void(Impostor&, FrameHead)>& act) {
  World world(1, false);
  world.endpoints.push_back({"127.0.0.1", 1});
  Member& member = *world.members[0];
  std::thread impostor([&] {
    Impostor peer(formation(1, 1, world.endpoints, false), 0);
    FrameHead head;
    head.kind = FrameKind::AllReduce;
    head.type = static_cast<uint8_t>(ElementType::Float32);
    head.epoch = 1;
    head.batch = 1;
    head.group = groupId({0, 1});
    head.total = 8;
    head.bytes = 8;
    act(peer, head);
    // Until the other side has seen it
    pollfd end = {member.interrupt.descriptor(), POLLIN, 0};
    ::poll(&end, 1, 20'000);
  });
  Failure failure;
  auto mesh = formMesh(formation(0, 1, world.endpoints, false), member.listener, member.interrupt, failure);
  expect(mesh != nullptr, "form: " + failure.message);
  if (mesh != nullptr) {
    MeshCommunicator communicator(std::move(mesh));
    communicator.beginBatch(1, nowNs() + 1'000'000'000);
    const std::vector<float> input = {1, 2};
    std::vector<float> output(2);
    expect(!communicator.allReduce(groupOf({0, 1}, 0), bytesOf(input), bytesOf(output), 2, ElementType::Float32, Reduction::Sum, failure), "went through");
    communicator.leave(failure);
  }
  Failure done;
  done.set(FailureKind::Aborted, "done");
  member.interrupt.raise(done);
  impostor.join();
  return failure;
}

void impostors() {
  const auto isFault = [](const Failure& failure, FailureKind kind, PeerFault fault) {
    return failure.kind == kind && failure.runtimeCode == (static_cast<int>(fault) | 2 << 8);
  };
  const auto expectFault = [&](const char* what, FailureKind kind, PeerFault fault, const std::function<void(Impostor&, FrameHead)>& act) {
    const Failure failure = against(act);
    expect(isFault(failure, kind, fault), std::string(what) + ": kind " + std::to_string(static_cast<int>(failure.kind)) + ", " + failure.message);
  };
  const auto head = [&](const char* what, PeerFault fault, const std::function<void(FrameHead&)>& change) {
    expectFault(what, FailureKind::Protocol, fault, [&](Impostor& peer, FrameHead head) {
      change(head);
      peer.send(&head, sizeof(head));
    });
  };
  head("epoch", PeerFault::Epoch, [](FrameHead& head) { head.epoch = 2; });
  head("batch", PeerFault::Unexpected, [](FrameHead& head) { head.batch = 2; });
  head("group", PeerFault::Unexpected, [](FrameHead& head) { head.group++; });
  head("sequence", PeerFault::Unexpected, [](FrameHead& head) { head.sequence++; });
  head("part", PeerFault::Unexpected, [](FrameHead& head) { head.part++; });
  head("type", PeerFault::Unexpected, [](FrameHead& head) { head.type = 0; });
  head("total", PeerFault::Unexpected, [](FrameHead& head) { head.total = 1UL << 60; });
  head("bytes", PeerFault::Garbage, [](FrameHead& head) { head.bytes = 1UL << 60; });
  head("kind", PeerFault::Garbage, [](FrameHead& head) { head.kind = static_cast<FrameKind>(99); });
  head("magic", PeerFault::Garbage, [](FrameHead& head) { head.magic = 0; });
  expectFault("half a frame", FailureKind::Peer, PeerFault::Ended, [](Impostor& peer, FrameHead head) {
    peer.send(&head, sizeof(head));
    peer.send("1234", 4);
    peer.closeData();
  });
  expectFault("half a frame, and silence", FailureKind::Deadline, PeerFault::Silent, [](Impostor& peer, FrameHead head) { peer.send(&head, 20); });
  expectFault("silence", FailureKind::Deadline, PeerFault::Silent, [](Impostor&, FrameHead) {});
  expectFault("control", FailureKind::Protocol, PeerFault::Garbage, [](Impostor& peer, FrameHead) { peer.sendControl("GET / HTTP/1.1\r\n\r\n", 18); });
  expectFault("a later send", FailureKind::Protocol, PeerFault::Unexpected, [](Impostor& peer, FrameHead head) {
    head.kind = FrameKind::Send;
    head.batch = 2;
    peer.send(&head, sizeof(head));
  });
}

/** Settlements as promises. */
class Settlements : public SessionListener {
 public:
  std::future<Failure> expectRun(Run& run) {
    const std::lock_guard<std::mutex> lock(mutex_);
    run.slot = next_++;
    return promises_[run.slot].get_future();
  }
  void onOpened(SessionCore&) override {}
  void onClosed(SessionCore&) override {}
  void onSettled(std::unique_ptr<Run> run) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    promises_[run->slot].set_value(run->failure);
    run->reset();
  }

 private:
  std::mutex mutex_;
  uint32_t next_ = 0;
  std::unordered_map<uint32_t, std::promise<Failure>> promises_;
};

Program sumProgram(uint32_t rank, uint32_t size) {
  Program program;
  program.slots = 2;
  program.groups.push_back(groupOf(allOf(size), rank));
  program.inputs.push_back({0, ElementType::Float32, {-1}});
  Step step;
  step.kind = StepKind::AllReduce;
  step.inputs = {0};
  step.outputs.push_back({1, ElementType::Float32, {-1}});
  program.steps.push_back(step);
  program.results = {1};
  return program;
}

/** Aborts and expiries come from another thread at any time; afterwards the next formation works, and nothing stays unsettled. */
void cores(bool sharesMemory, int rounds) {
  constexpr uint32_t kSize = 3;
  Settlements settlements;
  std::vector<std::unique_ptr<RankCore>> ranks;
  std::vector<Endpoint> endpoints;
  Failure failure;
  for (uint32_t rank = 0; rank < kSize; rank++) {
    ranks.push_back(std::make_unique<RankCore>(rank, sumProgram(rank, kSize), settlements));
    expect(ranks[rank]->start({"127.0.0.1", 0}, failure), failure.message);
    endpoints.push_back(ranks[rank]->endpoint());
  }
  std::vector<float> input(5000, 1);
  std::mt19937 random(1);
  uint64_t epoch = 0;
  for (int round = 0; round < rounds * 5; round++) {
    epoch++;
    std::vector<std::future<Failure>> formed;
    for (uint32_t rank = 0; rank < kSize; rank++) {
      auto run = std::make_unique<Run>();
      formed.push_back(settlements.expectRun(*run));
      FormationRequest request = formation(rank, epoch, endpoints, sharesMemory);
      // One that is aborted never stands: the others must not wait for long
      if (round % 5 == 4) request.deadlineNs = nowNs() + 100'000'000;
      ranks[rank]->form(std::move(run), std::move(request));
    }
    if (round % 5 == 4) ranks[random() % kSize]->abort("in the middle of a formation");
    bool stands = true;
    for (auto& each : formed) {
      if (round % 5 == 4) ranks[random() % kSize]->abort("again");
      stands = !each.get() && stands;
    }
    expect(stands || round % 5 == 4, "formation " + std::to_string(round));
    std::vector<std::future<Failure>> done;
    for (uint64_t batch = 1; batch <= 20; batch++) {
      for (uint32_t rank = 0; rank < kSize; rank++) {
        auto run = std::make_unique<Run>();
        done.push_back(settlements.expectRun(*run));
        if (round % 5 == 2 && batch == 10 && rank == 1) ranks[rank]->expire(run->slot - 9);
        run->inputs.push_back({input.data(), input.size() * sizeof(float), {static_cast<int64_t>(input.size())}});
        ranks[rank]->execute(std::move(run), batch, true, nowNs() + 20'000'000'000);
      }
      if (round % 5 == 1 && batch == 10) ranks[random() % kSize]->abort("in the middle of a batch");
    }
    bool allDone = true;
    for (auto& each : done) allDone = !each.get() && allDone;
    if (round % 5 == 0 || round % 5 == 3) expect(allDone, "batches of round " + std::to_string(round));
  }
  for (auto& rank : ranks) {
    auto run = std::make_unique<Run>();
    auto closed = settlements.expectRun(*run);
    rank->close(std::move(run));
    closed.get();
    rank->join();
  }
}

/** What ranks have left behind that died while they formed a mesh is taken away; what is new, or in use, is not. */
void leftBehind() {
  Sharing sharing = Sharing::SwitchedOff;
  const auto used = SharedRegion::make(0, 2, 64 * 1024, sharing);
  if (used == nullptr) return;  // no shared memory here
  const auto make = [](const std::string& name) { return Descriptor(::shm_open(name.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600)); };
  const std::string dead = "/mserve-rank-0-0-dead";
  const std::string young = "/mserve-rank-0-0-young";
  make(dead).close();
  make(young).close();
  const timespec longAgo[2] = {{1, 0}, {1, 0}};
  for (const std::string& name : {dead, used->offer().name}) ::utimensat(AT_FDCWD, ("/dev/shm" + name).c_str(), longAgo, 0);
  sweepRegions();
  const auto exists = [](const std::string& name) { return ::access(("/dev/shm" + name).c_str(), F_OK) == 0; };
  expect(!exists(dead), "what is left behind is gone");
  expect(exists(young), "what is new stays");
  expect(exists(used->offer().name), "what is used stays");
  ::shm_unlink(young.c_str());
}

/** The environment ends while everything is in hand. */
void abandoned() {
  Settlements settlements;
  auto rank = std::make_unique<RankCore>(0, sumProgram(0, 2), settlements);
  Failure failure;
  expect(rank->start({"127.0.0.1", 0}, failure), failure.message);
  auto run = std::make_unique<Run>();
  settlements.expectRun(*run);
  rank->form(std::move(run), formation(0, 1, {rank->endpoint(), rank->endpoint()}, true));
  rank->abandon();
  rank->join();
}

}  // namespace

int main(int count, char** arguments) {
  const int rounds = count > 1 ? std::atoi(arguments[1]) : 1;
  test("half floats", halfFloats);
  for (bool sharesMemory : {true, false}) {
    const std::string way = sharesMemory ? " over shared memory" : " over TCP";
    for (uint32_t size : {1, 2, 3, 5}) {
      const std::string name = "collectives of " + std::to_string(size) + way;
      test(name.c_str(), [&] { collectives(size, sharesMemory, rounds); });
    }
    test(("uneven parts" + way).c_str(), [&] { unevenParts(sharesMemory); });
    test(("aborts and formations" + way).c_str(), [&] { cores(sharesMemory, rounds); });
  }
  test("peers that send what they should not", impostors);
  test("ranks that are abandoned", abandoned);
  test("memory that is left behind", leftBehind);
  return problems == 0 ? 0 : 1;
}
