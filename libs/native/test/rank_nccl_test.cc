/**
 * Tests of the NCCL communicator on the fake library, without Node: rank_nccl_test FAKE_LIBRARY. Ranks are threads here. Also built with the address and the
 * thread sanitizer, by rank-tests.mjs. Exit code 0 and the names of the tests, or 1 and what went wrong.
 */
#include <dlfcn.h>

#include "rank/nccl/nccl_communicator.h"
#include "rank_world.h"

using namespace mserve;
using namespace mserve::rank;
using namespace mserve::rank::testing;

namespace {

std::string libraryPath;
void* library = nullptr;

template <typename Function>
Function symbol(const char* name) {
  auto* found = reinterpret_cast<Function>(::dlsym(library, name));
  if (found == nullptr) std::abort();
  return found;
}
void hang(bool on) { symbol<void (*)(int)>("fakeNcclHang")(on ? 1 : 0); }
void failAt(long n) { symbol<void (*)(long)>("fakeNcclFailAt")(n); }
long calls() { return symbol<long (*)()>("fakeNcclCalls")(); }

void expectClean() {
  char text[1024];
  const int count = symbol<int (*)(char*, size_t)>("fakeNcclViolations")(text, sizeof(text));
  expect(count == 0, std::string("violations: ") + text);
  expect(symbol<long (*)()>("fakeNcclLive")() == 0, "something is left on the device");
}

/** Each rank's communicator on the mesh of the world, and then what `act` does with it. */
void each(World& world, const std::function<void(Member&, Communicator&)>& act) {
  world.form();
  // None is destroyed before all are done: its peers would see it end
  std::vector<std::unique_ptr<nccl::Library>> libraries(world.members.size());
  std::vector<std::unique_ptr<nccl::NcclCommunicator>> communicators(world.members.size());
  world.each([&](Member& member) {
    auto& nccl = libraries[member.rank];
    nccl = nccl::Library::load(libraryPath, libraryPath, static_cast<int>(member.rank), member.failure);
    expect(nccl != nullptr, "load: " + member.failure.message);
    if (nccl == nullptr) return;
    communicators[member.rank] = std::make_unique<nccl::NcclCommunicator>(*nccl, static_cast<int>(member.rank), std::move(member.communicator));
    nccl::NcclCommunicator& communicator = *communicators[member.rank];
    if (!communicator.start(member.failure)) {
      communicator.leave(member.failure);
      return;
    }
    communicator.beginBatch(1, nowNs() + 20'000'000'000);
    act(member, communicator);
    if (member.failure) communicator.leave(member.failure);
  });
}

/** All collectives once, over two groups; false and a failure where one fails. */
bool everything(Member& member, Communicator& communicator) {
  Failure& failure = member.failure;
  for (const std::vector<uint32_t>& ranks : {std::vector<uint32_t>{0, 1, 2}, std::vector<uint32_t>{2, 0}}) {
    if (std::find(ranks.begin(), ranks.end(), member.rank) == ranks.end()) continue;
    const Group group = groupOf(ranks, member.rank);
    const auto size = group.size();
    const auto own = static_cast<float>(member.rank + 1);
    float sum = 0;
    float greatest = 0;
    std::vector<float> all;
    for (uint32_t rank : ranks) {
      sum += static_cast<float>(rank + 1);
      greatest = std::max(greatest, static_cast<float>(rank + 1));
      all.push_back(static_cast<float>(rank + 1));
    }
    std::vector<float> input(size, own);
    std::vector<float> output(size);
    if (!communicator.allReduce(group, bytesOf(input), bytesOf(output), size, ElementType::Float32, Reduction::Sum, failure)) return false;
    expect(output == std::vector<float>(size, sum), "allReduce");
    if (!communicator.reduceScatter(group, bytesOf(input), bytesOf(output), 1, ElementType::Float32, Reduction::Max, failure)) return false;
    expect(output[0] == greatest, "reduceScatter");
    if (!communicator.allGather(group, bytesOf(input), bytesOf(output), sizeof(float), ElementType::Float32, failure)) return false;
    expect(output == all, "allGather");
    std::vector<int16_t> small = {static_cast<int16_t>(member.rank)};
    std::vector<int16_t> smallest(1);
    if (!communicator.allReduce(group, bytesOf(small), bytesOf(smallest), 1, ElementType::Int16, Reduction::Min, failure)) return false;
    expect(smallest[0] == 0, "allReduce of a type that NCCL does not have");
    std::vector<Part> tensors = {{member.rank, bytesOf(input), 4, ElementType::Float32}, {member.rank, bytesOf(input) + 4, 4, ElementType::Float32}};
    if (!communicator.broadcast(group, 2, tensors, failure)) return false;
    expect(input[0] == 3 && input[1] == 3, "broadcast");
    std::vector<std::vector<uint8_t>> given;
    std::vector<std::vector<uint8_t>> got;
    for (uint32_t rank : ranks) {
      given.emplace_back(member.rank * 3 + rank, static_cast<uint8_t>(10 * member.rank + rank));
      got.emplace_back(rank * 3 + member.rank);
    }
    for (bool isAllToAll : {true, false}) {
      std::vector<Part> parts;
      std::vector<Part> taken;
      for (uint32_t i = 0; i < size; i++) {
        parts.push_back({ranks[i], given[i].data(), given[i].size(), ElementType::Uint8});
        taken.push_back({ranks[i], got[i].data(), got[i].size(), ElementType::Uint8});
      }
      if (!(isAllToAll ? communicator.allToAll(group, parts, taken, failure) : communicator.neighborExchange(group, parts, taken, failure))) return false;
      for (uint32_t i = 0; i < size; i++) expect(got[i] == std::vector<uint8_t>(got[i].size(), static_cast<uint8_t>(10 * ranks[i] + member.rank)), "exchange");
    }
  }
  return communicator.endBatch(failure);
}

void collectives() {
  World world(3, true);
  for (int round = 0; round < 2; round++) {
    each(world, [](Member& member, Communicator& communicator) { expect(everything(member, communicator), member.failure.message); });
    expectClean();
  }
}

/** Members that do not fit together are told by the mesh, before NCCL would wait for ever. */
void disagreement() {
  World world(2, true);
  each(world, [](Member& member, Communicator& communicator) {
    const Group group = groupOf({0, 1}, member.rank);
    const std::vector<float> input(2, 1);
    std::vector<float> output(4);
    if (member.rank == 0) {
      communicator.allReduce(group, bytesOf(input), bytesOf(output), 2, ElementType::Float32, Reduction::Sum, member.failure);
    } else {
      communicator.allGather(group, bytesOf(input), bytesOf(output), 8, ElementType::Float32, member.failure);
    }
    expect(member.failure.kind == FailureKind::Protocol || member.failure.kind == FailureKind::Peer, "is refused: " + member.failure.message);
  });
  expectClean();
}

/** What NCCL never ends is ended by the deadline, by the end of a peer, or from outside. */
void waits() {
  for (int way = 0; way < 3; way++) {
    World world(2, true);
    hang(true);
    each(world, [&](Member& member, Communicator& communicator) {
      const Group group = groupOf({0, 1}, member.rank);
      const std::vector<float> input(2, 1);
      std::vector<float> output(2);
      if (way == 0) communicator.beginBatch(1, nowNs() + 200'000'000);
      std::thread aborter;
      if (way == 1 && member.rank == 1) {
        aborter = std::thread([&member] {
          Failure cause;
          cause.set(FailureKind::Aborted, "from outside");
          member.interrupt.raise(cause);
        });
      }
      // In the last way one rank gives up by itself after it has agreed
      if (way == 2 && member.rank == 1) communicator.beginBatch(1, nowNs() + 200'000'000);
      expect(!communicator.allReduce(group, bytesOf(input), bytesOf(output), 2, ElementType::Float32, Reduction::Sum, member.failure), "ends");
      const FailureKind kind = member.failure.kind;
      expect(kind == FailureKind::Deadline || kind == FailureKind::Aborted || kind == FailureKind::Peer, "kind " + std::to_string(static_cast<int>(kind)));
      if (aborter.joinable()) aborter.join();
    });
    hang(false);
    expectClean();
  }
}

/** Each single call fails once: every rank ends with a failure, and nothing is left. */
void failures() {
  World world(3, true);
  failAt(0);
  each(world, [](Member& member, Communicator& communicator) { everything(member, communicator); });
  const long count = calls();
  for (long n = 1; n <= count; n += 1 + n / 8) {
    failAt(n);
    std::atomic<int> failed{0};
    each(world, [&](Member& member, Communicator& communicator) {
      if (!everything(member, communicator)) failed++;
    });
    for (auto& member : world.members) failed += member->failure ? 1 : 0;
    expect(failed > 0 || calls() < n, "call " + std::to_string(n) + " fails nobody");
    failAt(0);
    expectClean();
  }
}

void absence() {
  Failure failure;
  expect(nccl::Library::load("/nowhere/libnccl.so", libraryPath, 0, failure) == nullptr && failure.kind == FailureKind::Library, "no NCCL");
  expect(failure.message.find("NCCL cannot be loaded") == 0 && failure.message.find("leave out the option nccl") != std::string::npos, failure.message);
  failure.clear();
  expect(nccl::Library::load(libraryPath, libraryPath, 99, failure) == nullptr && failure.kind == FailureKind::Device, "no such device");
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 2) return 2;
  libraryPath = arguments[1];
  library = ::dlopen(libraryPath.c_str(), RTLD_NOW);
  if (library == nullptr) return 2;
  test("NCCL: collectives of several groups", collectives);
  test("NCCL: members that disagree", disagreement);
  test("NCCL: waits that end", waits);
  test("NCCL: every call fails once", failures);
  test("NCCL: is not there", absence);
  return problems == 0 ? 0 : 1;
}
