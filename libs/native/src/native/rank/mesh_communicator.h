#pragma once

#include <memory>
#include <unordered_map>

#include "rank/communicator.h"
#include "rank/mesh.h"

namespace mserve::rank {

/** Over shared memory and TCP. */
class MeshCommunicator : public Communicator {
 public:
  explicit MeshCommunicator(std::unique_ptr<Mesh> mesh) : mesh_(std::move(mesh)) {}

  /** Tells all ranks who shares memory with whom, so that a group's members choose the same way. Every connection has carried a frame then. */
  bool start(int64_t deadlineNs, Failure& failure);
  const Mesh& mesh() const { return *mesh_; }

  /** For a collective that is done in another way: false unless all members are at the same one. */
  bool agree(const Group& group, FrameKind kind, ElementType type, Reduction reduction, size_t total, Failure& failure);
  /** Likewise; the own rank's parts are copied. */
  bool agreeOnParts(const Group& group, FrameKind kind, const std::vector<Part>& parts, std::vector<Part>& taken, Failure& failure);
  /** See Mesh::watch. */
  bool watch(int64_t deadlineNs, Failure& failure) { return mesh_->watch(deadlineNs, failure); }

  void beginBatch(uint64_t batch, int64_t deadlineNs) override;
  bool endBatch(Failure& failure) override { return mesh_->endBatch(batch_, failure); }
  bool allReduce(const Group& group, const uint8_t* input, uint8_t* output, size_t elements, ElementType type, Reduction reduction, Failure& failure) override;
  bool allGather(const Group& group, const uint8_t* input, uint8_t* output, size_t bytes, ElementType type, Failure& failure) override;
  bool reduceScatter(const Group& group, const uint8_t* input, uint8_t* output, size_t elements, ElementType type, Reduction reduction, Failure& failure) override;
  bool allToAll(const Group& group, const std::vector<Part>& parts, std::vector<Part>& taken, Failure& failure) override;
  bool broadcast(const Group& group, uint32_t root, std::vector<Part>& tensors, Failure& failure) override;
  bool neighborExchange(const Group& group, const std::vector<Part>& parts, std::vector<Part>& taken, Failure& failure) override;
  bool send(const Group& group, const Part& part, uint32_t tag, Failure& failure) override;
  bool receive(const Group& group, Part& part, uint32_t tag, Failure& failure) override;
  bool receiveAny(const Group& group, uint32_t from, ElementType type, uint32_t tag, std::vector<uint8_t>& bytes, Failure& failure) override;
  void leave(const Failure& cause) override { mesh_->giveUp(cause); }

 private:
  /** One collective of a group. */
  struct Call {
    const Group& group;
    FrameHead head;
    size_t elementBytes;
  };

  Call call(const Group& group, FrameKind kind, ElementType type, Reduction reduction, size_t total);
  bool isShared(const Group& group) const;
  bool reduceDirectly(Call& call, const uint8_t* input, uint8_t* output, Failure& failure);
  bool reduceByOwners(Call& call, const uint8_t* input, uint8_t* output, Failure& failure);
  bool reduceInRing(Call& call, uint8_t* output, Failure& failure);
  bool gatherInRing(Call& call, uint8_t* output, const std::vector<size_t>& starts, uint32_t firstPart, uint32_t held, Failure& failure);
  bool move(Transfer& transfer, Failure& failure) { return mesh_->transfer(transfer, deadlineNs_, failure); }
  /** `carries`: false: frames without bytes, only to agree. */
  bool exchange(Call& call, const std::vector<Part>& parts, std::vector<Part>& taken, bool carries, Failure& failure);

  std::unique_ptr<Mesh> mesh_;
  std::vector<uint8_t> sharing_;  // rankSize x rankSize: 1 where two ranks share memory
  uint64_t batch_ = 0;
  int64_t deadlineNs_ = 0;
  std::unordered_map<uint64_t, uint32_t> sequences_;  // of groups, within the batch
};

}  // namespace mserve::rank
