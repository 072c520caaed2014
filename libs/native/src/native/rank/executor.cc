#include "rank/executor.h"

#include <cstring>

#include "rank/axis_parts.h"
#include "rank/frame.h"

namespace mserve::rank {

namespace {

std::string text(const std::vector<int64_t>& dims) {
  std::string all = "[";
  for (size_t i = 0; i < dims.size(); i++) all += (i == 0 ? "" : ", ") + std::to_string(dims[i]);
  return all + "]";
}

bool fits(const std::vector<int64_t>& dims, const std::vector<int64_t>& declared) {
  if (dims.size() != declared.size()) return false;
  for (size_t i = 0; i < dims.size(); i++) {
    if (declared[i] >= 0 && declared[i] != dims[i]) return false;
  }
  return true;
}

}  // namespace

bool Executor::prepare(Failure& failure) {
  for (const std::shared_ptr<BackendSession>& session : program_.sessions) {
    lanes_.push_back(session->createLane(failure));
    if (failure) return false;
  }
  return true;
}

void Executor::execute(Run& run, bool wantsResults, int64_t deadlineNs, Communicator& communicator) {
  deadlineNs_ = deadlineNs;
  slots_.assign(program_.slots, Tensor());
  for (const auto& [slot, tensor] : program_.constants) slots_[slot] = tensor;
  for (size_t i = 0; i < program_.inputs.size(); i++) {
    const InputTensor& input = run.inputs[i];
    slots_[program_.inputs[i].slot] = {program_.inputs[i].type, input.dims, static_cast<uint8_t*>(input.bytes), input.byteLength, nullptr};
  }
  for (const Step& step : program_.steps) {
    if (!perform(step, communicator, run.failure)) break;
    for (uint32_t slot : step.frees) slots_[slot] = Tensor();
  }
  if (!run.failure && communicator.endBatch(run.failure) && wantsResults) giveResults(run);
  slots_.clear();
}

Tensor Executor::make(ElementType type, std::vector<int64_t> dims) {
  size_t bytes = elementSize(type);
  for (int64_t dim : dims) bytes *= static_cast<size_t>(dim);
  const std::shared_ptr<uint8_t> memory = pool_.take(bytes);
  return {type, std::move(dims), memory.get(), bytes, memory};
}

bool Executor::store(const Value& value, Tensor tensor, const char* what, Failure& failure) {
  if (tensor.type != value.type || !fits(tensor.dims, value.dims)) {
    failure.set(FailureKind::Run, std::string(what) + " gives " + nameOf(tensor.type) + text(tensor.dims) + ", the program declares " + nameOf(value.type) + text(value.dims));
    return false;
  }
  slots_[value.slot] = std::move(tensor);
  return true;
}

bool Executor::perform(const Step& step, Communicator& communicator, Failure& failure) {
  if (step.kind == StepKind::Segment) return runSegment(step, failure);
  if (step.kind == StepKind::Broadcast) return broadcast(step, communicator, failure);
  if (step.kind == StepKind::NeighborExchange) return neighborExchange(step, communicator, failure);
  if (step.kind == StepKind::Receive) return receive(step, communicator, failure);
  const Tensor& input = slots_[step.inputs[0]];
  const Group& group = program_.groups[step.group];
  const size_t size = elementSize(input.type);
  const char* const what = nameOf(static_cast<FrameKind>(step.kind));
  if (size == 0) {
    failure.set(FailureKind::Run, std::string(what) + " of a tensor of strings, or of a value that was not made");
    return false;
  }
  switch (step.kind) {
    case StepKind::AllReduce: {
      Tensor output = make(input.type, input.dims);
      return communicator.allReduce(group, input.bytes, output.bytes, input.byteLength / size, input.type, step.reduction, failure) &&
             store(step.outputs[0], std::move(output), what, failure);
    }
    case StepKind::AllGather: {
      std::vector<int64_t> dims = input.dims.empty() ? std::vector<int64_t>{1} : input.dims;
      dims[0] *= group.size();
      Tensor output = make(input.type, std::move(dims));
      return communicator.allGather(group, input.bytes, output.bytes, input.byteLength, input.type, failure) &&
             store(step.outputs[0], std::move(output), what, failure);
    }
    case StepKind::ReduceScatter: {
      std::vector<int64_t> dims = input.dims;
      if (dims.empty() || dims[0] % group.size() != 0) {
        failure.set(FailureKind::Run, "reduceScatter cannot split " + text(dims) + " into " + std::to_string(group.size()) + " parts");
        return false;
      }
      dims[0] /= group.size();
      Tensor output = make(input.type, std::move(dims));
      return communicator.reduceScatter(group, input.bytes, output.bytes, output.byteLength / size, input.type, step.reduction, failure) &&
             store(step.outputs[0], std::move(output), what, failure);
    }
    case StepKind::AllToAll:
      return allToAll(step, communicator, failure);
    default:
      return communicator.send(group, {step.peer, input.bytes, input.byteLength, input.type}, step.tag, failure);
  }
}

/** Parts along an axis are packed before they go, and put side by side along the other axis when they have come. */
bool Executor::allToAll(const Step& step, Communicator& communicator, Failure& failure) {
  const Tensor& input = slots_[step.inputs[0]];
  const Group& group = program_.groups[step.group];
  const auto size = static_cast<int64_t>(group.size());
  if (step.splitAxis >= input.dims.size() || step.concatAxis >= input.dims.size() || input.dims[step.splitAxis] % size != 0) {
    failure.set(FailureKind::Run, "allToAll cannot split " + text(input.dims) + " into " + std::to_string(size) + " parts along axis " + std::to_string(step.splitAxis));
    return false;
  }
  std::vector<int64_t> partDims = input.dims;
  partDims[step.splitAxis] /= size;
  std::vector<int64_t> dims = partDims;
  dims[step.concatAxis] *= size;
  const size_t partBytes = input.byteLength / group.size();
  // Parts along axis 0 lie one after the other as they are
  Tensor packed = input;
  if (step.splitAxis != 0) {
    packed = make(input.type, input.dims);
    copyParts(AxisParts(input.dims, step.splitAxis, group.size(), elementSize(input.type)), input.bytes, packed.bytes, PartsGo::Out);
  }
  Tensor joined = make(input.type, dims);
  std::vector<Part> parts;
  std::vector<Part> taken;
  for (uint32_t i = 0; i < group.size(); i++) {
    parts.push_back({group.ranks[i], packed.bytes + i * partBytes, partBytes, input.type});
    taken.push_back({group.ranks[i], joined.bytes + i * partBytes, partBytes, input.type});
  }
  if (!communicator.allToAll(group, parts, taken, failure)) return false;
  Tensor output = joined;
  if (step.concatAxis != 0) {
    output = make(input.type, dims);
    copyParts(AxisParts(dims, step.concatAxis, group.size(), elementSize(input.type)), joined.bytes, output.bytes, PartsGo::In);
  }
  return store(step.outputs[0], std::move(output), "allToAll", failure);
}

bool Executor::broadcast(const Step& step, Communicator& communicator, Failure& failure) {
  const Group& group = program_.groups[step.group];
  const bool isRoot = group.ranks[group.index] == step.peer;
  std::vector<Tensor> tensors;
  std::vector<Part> parts;
  for (uint32_t slot : step.inputs) {
    const Tensor& input = slots_[slot];
    tensors.push_back(isRoot && input.owner != nullptr ? input : make(input.type, input.dims));
    if (isRoot && input.owner == nullptr && input.byteLength > 0) std::memcpy(tensors.back().bytes, input.bytes, input.byteLength);
    parts.push_back({group.ranks[group.index], tensors.back().bytes, tensors.back().byteLength, input.type});
  }
  if (!communicator.broadcast(group, step.peer, parts, failure)) return false;
  for (size_t i = 0; i < tensors.size(); i++) {
    if (!store(step.outputs[i], std::move(tensors[i]), "broadcast", failure)) return false;
  }
  return true;
}

bool Executor::neighborExchange(const Step& step, Communicator& communicator, Failure& failure) {
  std::vector<Part> parts;
  std::vector<Part> taken;
  std::vector<Tensor> tensors;
  for (size_t i = 0; i < step.inputs.size(); i++) {
    const Tensor& input = slots_[step.inputs[i]];
    parts.push_back({step.sendTo[i], input.bytes, input.byteLength, input.type});
  }
  for (size_t i = 0; i < step.outputs.size(); i++) {
    const Value& value = step.outputs[i];
    for (int64_t dim : value.dims) {
      if (dim >= 0) continue;
      failure.set(FailureKind::Run, "neighborExchange gives a value of unknown shape");
      return false;
    }
    tensors.push_back(make(value.type, value.dims));
    taken.push_back({step.receiveFrom[i], tensors.back().bytes, tensors.back().byteLength, value.type});
  }
  if (!communicator.neighborExchange(program_.groups[step.group], parts, taken, failure)) return false;
  for (size_t i = 0; i < tensors.size(); i++) slots_[step.outputs[i].slot] = std::move(tensors[i]);
  return true;
}

/** A single dim that is not declared follows from the number of bytes. */
bool Executor::receive(const Step& step, Communicator& communicator, Failure& failure) {
  const Value& value = step.outputs[0];
  const Group& group = program_.groups[step.group];
  std::vector<int64_t> dims = value.dims;
  int64_t* open = nullptr;
  size_t known = elementSize(value.type);
  for (int64_t& dim : dims) {
    if (dim < 0 && open != nullptr) {
      failure.set(FailureKind::Run, "receive gives a value of which more than one dim is unknown");
      return false;
    }
    if (dim < 0) {
      open = &dim;
    } else {
      known *= static_cast<size_t>(dim);
    }
  }
  if (open == nullptr) {
    Tensor output = make(value.type, std::move(dims));
    Part part = {step.peer, output.bytes, output.byteLength, value.type};
    if (!communicator.receive(group, part, step.tag, failure)) return false;
    slots_[value.slot] = std::move(output);
    return true;
  }
  auto bytes = std::make_shared<std::vector<uint8_t>>();
  if (!communicator.receiveAny(group, step.peer, value.type, step.tag, *bytes, failure)) return false;
  if (known == 0 ? !bytes->empty() : bytes->size() % known != 0) {
    failure.set(FailureKind::Run, "receive: " + std::to_string(bytes->size()) + " bytes are no tensor of shape " + text(value.dims));
    return false;
  }
  *open = known == 0 ? 0 : static_cast<int64_t>(bytes->size() / known);
  slots_[value.slot] = {value.type, std::move(dims), bytes->data(), bytes->size(), bytes};
  return true;
}

}  // namespace mserve::rank
