#pragma once

#include <atomic>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "rank/formation.h"
#include "rank/mesh_communicator.h"

/** What tests of ranks have in common: ranks are threads. */
namespace mserve::rank::testing {

inline const char* running = "";
inline std::atomic<int> problems{0};

inline void expect(bool holds, const std::string& what) {
  if (holds) return;
  problems++;
  std::fprintf(stderr, "%s: %s\n", running, what.c_str());
}

inline Group groupOf(std::vector<uint32_t> ranks, uint32_t rank) {
  Group group;
  group.ranks = std::move(ranks);
  group.id = groupId(group.ranks);
  for (uint32_t i = 0; i < group.size(); i++) {
    if (group.ranks[i] == rank) group.index = i;
  }
  return group;
}

inline std::vector<uint32_t> allOf(uint32_t size) {
  std::vector<uint32_t> ranks(size);
  for (uint32_t i = 0; i < size; i++) ranks[i] = i;
  return ranks;
}

/** Makes formations: the proof of a pair is a number of it and the epoch. */
inline FormationRequest formation(uint32_t rank, uint64_t epoch, const std::vector<Endpoint>& endpoints, bool sharesMemory) {
  FormationRequest request;
  request.epoch = epoch;
  request.rank = rank;
  request.endpoints = endpoints;
  request.sharesMemory = sharesMemory;
  request.ringBytes = 16 * 1024;  // small: tensors go around in it many times
  request.deadlineNs = nowNs() + 20'000'000'000;
  for (uint32_t peer = 0; peer < endpoints.size(); peer++) {
    request.shown.push_back(Proof{static_cast<uint8_t>(rank), static_cast<uint8_t>(peer), static_cast<uint8_t>(epoch), 1});
    request.expected.push_back(Proof{static_cast<uint8_t>(peer), static_cast<uint8_t>(rank), static_cast<uint8_t>(epoch), 1});
  }
  return request;
}

/** A rank without a program: only what moves tensors. */
struct Member {
  uint32_t rank = 0;
  Interrupt interrupt;
  Descriptor listener;
  std::unique_ptr<MeshCommunicator> communicator;
  Failure failure;
};

/** All ranks, each on a thread of its own. */
class World {
 public:
  World(uint32_t size, bool sharesMemory) : sharesMemory_(sharesMemory) {
    for (uint32_t rank = 0; rank < size; rank++) {
      auto member = std::make_unique<Member>();
      member->rank = rank;
      Endpoint endpoint{"127.0.0.1", 0};
      expect(member->interrupt.start(member->failure), "interrupt");
      member->listener = listenAt(endpoint, member->failure);
      expect(member->listener.isOpen(), "listen: " + member->failure.message);
      endpoints.push_back(endpoint);
      members.push_back(std::move(member));
    }
  }

  void each(const std::function<void(Member&)>& act) {
    std::vector<std::thread> threads;
    for (auto& member : members) threads.emplace_back([&act, &member] { act(*member); });
    for (std::thread& thread : threads) thread.join();
  }

  void form() {
    epoch_++;
    each([this](Member& member) {
      member.failure.clear();
      const FormationRequest request = formation(member.rank, epoch_, endpoints, sharesMemory_);
      auto mesh = formMesh(request, member.listener, member.interrupt, member.failure);
      expect(mesh != nullptr, "form: " + member.failure.message);
      if (mesh == nullptr) return;
      member.communicator = std::make_unique<MeshCommunicator>(std::move(mesh));
      expect(member.communicator->start(request.deadlineNs, member.failure), "start: " + member.failure.message);
    });
  }

  std::vector<std::unique_ptr<Member>> members;
  std::vector<Endpoint> endpoints;

 private:
  bool sharesMemory_;
  uint64_t epoch_ = 0;
};

template <typename T>
const uint8_t* bytesOf(const std::vector<T>& values) {
  return reinterpret_cast<const uint8_t*>(values.data());
}
template <typename T>
uint8_t* bytesOf(std::vector<T>& values) {
  return reinterpret_cast<uint8_t*>(values.data());
}

inline void test(const char* name, const std::function<void()>& body) {
  running = name;
  const int before = problems;
  body();
  std::printf("%s%s\n", name, problems == before ? "" : ": FAILED");
  std::fflush(stdout);
}

}  // namespace mserve::rank::testing
