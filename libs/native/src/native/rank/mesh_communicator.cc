#include "rank/mesh_communicator.h"

#include <algorithm>
#include <cstring>

namespace mserve::rank {

namespace {

/**
 * Small tensors are sent by everybody to everybody: one step, but as many copies as there are other members. Over shared memory up to so many bytes; over TCP as long as
 * all that a member sends is not more. Measured with bench/collectives.mjs on loopback: 2 ranks change places with the ring at about 300 KiB, 4 at 64, 8 at 40.
 */
constexpr size_t kDirectShared = 16 * 1024;
constexpr size_t kDirectSockets = 256 * 1024;

/** What one owner reduces at a time: of a size that stays in the caches until the others have taken it. */
constexpr size_t kShareBytes = 128 * 1024;

/** Begin of each of `count` nearly equal parts of so many elements, and the end, in bytes. */
std::vector<size_t> startsOf(size_t elements, size_t elementBytes, size_t count) {
  std::vector<size_t> starts(count + 1);
  for (size_t i = 0; i <= count; i++) starts[i] = elements * i / count * elementBytes;
  return starts;
}

Outgoing outgoing(uint32_t peer, FrameHead head, uint32_t part, const uint8_t* bytes, size_t length) {
  head.part = part;
  head.bytes = length;
  return {peer, head, bytes};
}

Incoming incoming(uint32_t peer, FrameHead head, uint32_t part, uint8_t* into, size_t length, bool reduces = false, const uint8_t* own = nullptr) {
  head.part = part;
  head.bytes = length;
  Incoming frame;
  frame.peer = peer;
  frame.head = head;
  frame.into = into;
  frame.reduces = reduces;
  frame.own = own;
  return frame;
}

}  // namespace

bool MeshCommunicator::start(int64_t deadlineNs, Failure& failure) {
  Group world;
  for (uint32_t rank = 0; rank < mesh_->rankSize(); rank++) world.ranks.push_back(rank);
  world.index = mesh_->rank();
  world.id = groupId(world.ranks);
  std::vector<uint8_t> own(world.size());
  for (uint32_t rank = 0; rank < world.size(); rank++) own[rank] = rank == mesh_->rank() || mesh_->peer(rank).shares() ? 1 : 0;
  std::vector<uint8_t> all(own.size() * own.size());
  beginBatch(0, deadlineNs);
  if (!allGather(world, own.data(), all.data(), own.size(), ElementType::Uint8, failure)) return false;
  sharing_ = std::move(all);
  return true;
}

void MeshCommunicator::beginBatch(uint64_t batch, int64_t deadlineNs) {
  batch_ = batch;
  deadlineNs_ = deadlineNs;
  sequences_.clear();
}

MeshCommunicator::Call MeshCommunicator::call(const Group& group, FrameKind kind, ElementType type, Reduction reduction, size_t total) {
  FrameHead head;
  head.kind = kind;
  head.reduction = reduction;
  head.type = static_cast<uint8_t>(type);
  head.epoch = mesh_->epoch();
  head.batch = batch_;
  head.group = group.id;
  if (kind != FrameKind::Send) head.sequence = sequences_[group.id]++;
  head.total = total;
  return {group, head, elementSize(type)};
}

/** Whether each member shares memory with each. */
bool MeshCommunicator::isShared(const Group& group) const {
  if (sharing_.empty()) return false;
  const auto shares = [&](uint32_t a, uint32_t b) { return sharing_[a * mesh_->rankSize() + b] != 0; };
  for (uint32_t a : group.ranks) {
    if (!std::all_of(group.ranks.begin(), group.ranks.end(), [&](uint32_t b) { return shares(a, b) && shares(b, a); })) return false;
  }
  return true;
}

bool MeshCommunicator::allReduce(const Group& group, const uint8_t* input, uint8_t* output, size_t elements, ElementType type, Reduction reduction, Failure& failure) {
  Call reduce = call(group, FrameKind::AllReduce, type, reduction, elements * elementSize(type));
  const size_t bytes = reduce.head.total;
  const bool shared = isShared(group);
  if (shared ? bytes <= kDirectShared : bytes * (group.size() - 1) <= kDirectSockets) return reduceDirectly(reduce, input, output, failure);
  if (shared) return reduceByOwners(reduce, input, output, failure);
  std::memcpy(output, input, bytes);
  return reduceInRing(reduce, output, failure);
}

bool MeshCommunicator::reduceDirectly(Call& call, const uint8_t* input, uint8_t* output, Failure& failure) {
  Transfer transfer;
  transfer.isOrdered = true;
  const size_t bytes = call.head.total;
  for (uint32_t rank : call.group.ranks) {
    const bool isFirst = transfer.incoming.empty();
    transfer.incoming.push_back(incoming(rank, call.head, 0, output, bytes, !isFirst, input));
    if (rank != mesh_->rank()) transfer.outgoing.push_back(outgoing(rank, call.head, 0, input, bytes));
  }
  return move(transfer, failure);
}

/** Each member reduces its share of every block, in the order of the group, and gives the result to the others. */
bool MeshCommunicator::reduceByOwners(Call& call, const uint8_t* input, uint8_t* output, Failure& failure) {
  const Group& group = call.group;
  const size_t elements = call.head.total / call.elementBytes;
  const size_t blockElements = kShareBytes / call.elementBytes * group.size();
  uint32_t part = 0;
  for (size_t first = 0; first < elements; first += blockElements, part += 2) {
    const std::vector<size_t> starts = startsOf(std::min(blockElements, elements - first), call.elementBytes, group.size());
    const uint8_t* const from = input + first * call.elementBytes;
    uint8_t* const to = output + first * call.elementBytes;
    const size_t mine = starts[group.index];
    const size_t length = starts[group.index + 1] - mine;
    Transfer scatter;
    scatter.isOrdered = true;
    Transfer gather;
    for (uint32_t i = 0; i < group.size(); i++) {
      const uint32_t rank = group.ranks[i];
      scatter.incoming.push_back(incoming(rank, call.head, part, to + mine, length, i > 0, from + mine));
      if (i == group.index) continue;
      scatter.outgoing.push_back(outgoing(rank, call.head, part, from + starts[i], starts[i + 1] - starts[i]));
      gather.outgoing.push_back(outgoing(rank, call.head, part + 1, to + mine, length));
      gather.incoming.push_back(incoming(rank, call.head, part + 1, to + starts[i], starts[i + 1] - starts[i]));
    }
    if (!move(scatter, failure) || !move(gather, failure)) return false;
  }
  return true;
}

/** Parts go around and are reduced at every member; then the results go around. The order is that of the ring, from another member on for each part. */
bool MeshCommunicator::reduceInRing(Call& call, uint8_t* output, Failure& failure) {
  const Group& group = call.group;
  const uint32_t size = group.size();
  const std::vector<size_t> starts = startsOf(call.head.total / call.elementBytes, call.elementBytes, size);
  const uint32_t next = group.ranks[(group.index + 1) % size];
  const uint32_t before = group.ranks[(group.index + size - 1) % size];
  for (uint32_t step = 0; step + 1 < size; step++) {
    const uint32_t gives = (group.index + size - step) % size;
    const uint32_t takes = (group.index + size - step - 1) % size;
    Transfer transfer;
    transfer.outgoing.push_back(outgoing(next, call.head, step, output + starts[gives], starts[gives + 1] - starts[gives]));
    transfer.incoming.push_back(incoming(before, call.head, step, output + starts[takes], starts[takes + 1] - starts[takes], true));
    if (!move(transfer, failure)) return false;
  }
  return gatherInRing(call, output, starts, size, (group.index + 1) % size, failure);
}

/** `held`: the part that this rank has at first; member i has part held + i - index. */
bool MeshCommunicator::gatherInRing(Call& call, uint8_t* output, const std::vector<size_t>& starts, uint32_t firstPart, uint32_t held, Failure& failure) {
  const Group& group = call.group;
  const uint32_t size = group.size();
  const uint32_t next = group.ranks[(group.index + 1) % size];
  const uint32_t before = group.ranks[(group.index + size - 1) % size];
  for (uint32_t step = 0; step + 1 < size; step++) {
    const uint32_t gives = (held + size - step) % size;
    const uint32_t takes = (held + size - step - 1) % size;
    Transfer transfer;
    transfer.outgoing.push_back(outgoing(next, call.head, firstPart + step, output + starts[gives], starts[gives + 1] - starts[gives]));
    transfer.incoming.push_back(incoming(before, call.head, firstPart + step, output + starts[takes], starts[takes + 1] - starts[takes]));
    if (!move(transfer, failure)) return false;
  }
  return true;
}

bool MeshCommunicator::allGather(const Group& group, const uint8_t* input, uint8_t* output, size_t bytes, ElementType type, Failure& failure) {
  Call gather = call(group, FrameKind::AllGather, type, Reduction::Sum, bytes * group.size());
  if (!isShared(group) && bytes * (group.size() - 1) > kDirectSockets) {
    std::vector<size_t> starts(group.size() + 1);
    for (uint32_t i = 0; i <= group.size(); i++) starts[i] = i * bytes;
    std::memcpy(output + starts[group.index], input, bytes);
    return gatherInRing(gather, output, starts, 0, group.index, failure);
  }
  Transfer transfer;
  for (uint32_t i = 0; i < group.size(); i++) {
    const uint32_t rank = group.ranks[i];
    transfer.incoming.push_back(incoming(rank, gather.head, 0, output + i * bytes, bytes, false, input));
    if (rank != mesh_->rank()) transfer.outgoing.push_back(outgoing(rank, gather.head, 0, input, bytes));
  }
  return move(transfer, failure);
}

bool MeshCommunicator::reduceScatter(const Group& group, const uint8_t* input, uint8_t* output, size_t elements, ElementType type, Reduction reduction, Failure& failure) {
  const size_t bytes = elements * elementSize(type);
  Call reduce = call(group, FrameKind::ReduceScatter, type, reduction, bytes * group.size());
  Transfer transfer;
  transfer.isOrdered = true;
  for (uint32_t i = 0; i < group.size(); i++) {
    const uint32_t rank = group.ranks[i];
    transfer.incoming.push_back(incoming(rank, reduce.head, 0, output, bytes, i > 0, input + group.index * bytes));
    if (rank != mesh_->rank()) transfer.outgoing.push_back(outgoing(rank, reduce.head, 0, input + i * bytes, bytes));
  }
  return move(transfer, failure);
}

bool MeshCommunicator::allToAll(const Group& group, const std::vector<Part>& parts, std::vector<Part>& taken, Failure& failure) {
  Call exchanged = call(group, FrameKind::AllToAll, parts[0].type, Reduction::Sum, 0);
  return exchange(exchanged, parts, taken, true, failure);
}

bool MeshCommunicator::neighborExchange(const Group& group, const std::vector<Part>& parts, std::vector<Part>& taken, Failure& failure) {
  Call exchanged = call(group, FrameKind::NeighborExchange, ElementType::Undefined, Reduction::Sum, 0);
  return exchange(exchanged, parts, taken, true, failure);
}

/** What goes to the own rank is copied. Frames of a pair of ranks are counted. */
bool MeshCommunicator::exchange(Call& call, const std::vector<Part>& parts, std::vector<Part>& taken, bool carries, Failure& failure) {
  Transfer transfer;
  std::vector<uint32_t> sent(mesh_->rankSize());
  std::vector<uint32_t> received(mesh_->rankSize());
  std::vector<const Part*> own;
  const auto headOf = [&](const Part& part) {
    FrameHead head = call.head;
    head.type = static_cast<uint8_t>(part.type);
    head.total = part.length;
    return head;
  };
  for (const Part& part : parts) {
    if (part.rank == mesh_->rank()) {
      own.push_back(&part);
    } else {
      transfer.outgoing.push_back(outgoing(part.rank, headOf(part), sent[part.rank]++, part.bytes, carries ? part.length : 0));
    }
  }
  size_t nextOwn = 0;
  for (Part& part : taken) {
    if (part.rank != mesh_->rank()) {
      transfer.incoming.push_back(incoming(part.rank, headOf(part), received[part.rank]++, part.bytes, carries ? part.length : 0));
      continue;
    }
    if (nextOwn == own.size() || own[nextOwn]->length != part.length) {
      failure.set(FailureKind::Run, std::string(nameOf(call.head.kind)) + ": what the rank gives itself is not what it takes");
      return false;
    }
    if (part.length > 0) std::memcpy(part.bytes, own[nextOwn]->bytes, part.length);
    nextOwn++;
  }
  return move(transfer, failure);
}

bool MeshCommunicator::agree(const Group& group, FrameKind kind, ElementType type, Reduction reduction, size_t total, Failure& failure) {
  const Call agreed = call(group, kind, type, reduction, total);
  Transfer transfer;
  for (uint32_t rank : group.ranks) {
    if (rank == mesh_->rank()) continue;
    transfer.outgoing.push_back(outgoing(rank, agreed.head, 0, nullptr, 0));
    transfer.incoming.push_back(incoming(rank, agreed.head, 0, nullptr, 0));
  }
  return move(transfer, failure);
}

bool MeshCommunicator::agreeOnParts(const Group& group, FrameKind kind, const std::vector<Part>& parts, std::vector<Part>& taken, Failure& failure) {
  Call agreed = call(group, kind, ElementType::Undefined, Reduction::Sum, 0);
  return exchange(agreed, parts, taken, false, failure);
}

bool MeshCommunicator::broadcast(const Group& group, uint32_t root, std::vector<Part>& tensors, Failure& failure) {
  Transfer transfer;
  for (Part& tensor : tensors) {
    const Call sent = call(group, FrameKind::Broadcast, tensor.type, Reduction::Sum, tensor.length);
    if (root != mesh_->rank()) {
      transfer.incoming.push_back(incoming(root, sent.head, 0, tensor.bytes, tensor.length));
      continue;
    }
    for (uint32_t rank : group.ranks) {
      if (rank != root) transfer.outgoing.push_back(outgoing(rank, sent.head, 0, tensor.bytes, tensor.length));
    }
  }
  return move(transfer, failure);
}

bool MeshCommunicator::send(const Group& group, const Part& part, uint32_t tag, Failure& failure) {
  Call sent = call(group, FrameKind::Send, part.type, Reduction::Sum, part.length);
  sent.head.sequence = tag;
  Transfer transfer;
  transfer.outgoing.push_back(outgoing(part.rank, sent.head, 0, part.bytes, part.length));
  return move(transfer, failure);
}

bool MeshCommunicator::receive(const Group& group, Part& part, uint32_t tag, Failure& failure) {
  Call sent = call(group, FrameKind::Send, part.type, Reduction::Sum, part.length);
  sent.head.sequence = tag;
  Transfer transfer;
  transfer.incoming.push_back(incoming(part.rank, sent.head, 0, part.bytes, part.length));
  return move(transfer, failure);
}

bool MeshCommunicator::receiveAny(const Group& group, uint32_t from, ElementType type, uint32_t tag, std::vector<uint8_t>& bytes, Failure& failure) {
  Call sent = call(group, FrameKind::Send, type, Reduction::Sum, 0);
  sent.head.sequence = tag;
  Transfer transfer;
  transfer.incoming.push_back(incoming(from, sent.head, 0, nullptr, 0));
  transfer.incoming[0].takesAnySize = true;
  if (!move(transfer, failure)) return false;
  bytes = std::move(transfer.incoming[0].grown);
  return true;
}

}  // namespace mserve::rank
