#include <cstring>

#include "rank/executor.h"
#include "rank/frame.h"
#include "rank/interrupt.h"

namespace mserve::rank {

namespace {

void releaseOwner(void* owner) { delete static_cast<std::shared_ptr<void>*>(owner); }

/** Keeps what a session has made as long as a tensor uses it. */
std::shared_ptr<void> ownerOf(OutputTensor& output) {
  auto kept = std::make_shared<OutputTensor>(output);
  output.release = nullptr;
  return {kept->bytes, [kept](void*) { kept->drop(); }};
}

}  // namespace

bool Executor::runSegment(const Step& step, Failure& failure) {
  if (nowNs() >= deadlineNs_) {
    failure.set(FailureKind::Deadline, "the time is over");
    return false;
  }
  const std::vector<ValueDescription>& declared = program_.sessions[step.session]->description().inputs;
  segment_.reset();
  segment_.inputs.resize(step.inputs.size());
  for (size_t i = 0; i < step.inputs.size(); i++) {
    const Tensor& tensor = slots_[step.inputs[i]];
    if (i < declared.size() && tensor.type != declared[i].type) {
      failure.set(FailureKind::Run, "input \"" + declared[i].name + "\" of a segment is not of its type");
      return false;
    }
    segment_.inputs[i] = {tensor.bytes, tensor.byteLength, tensor.dims};
  }
  const bool done = executeLane(step, failure) && takeOutputs(step, failure);
  segment_.reset();
  segment_.inputs.clear();
  return done;
}

/** As a session's own threads do: inside its gate, and once more alone where another run may be at fault. */
bool Executor::executeLane(const Step& step, Failure& failure) {
  Lane& lane = *lanes_[step.session];
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    executing_ = &lane;
    if (terminated_) lane.terminate();
  }
  AloneGate* const gate = program_.sessions[step.session]->gate();
  if (gate == nullptr) {
    lane.execute(segment_);
  } else {
    gate->enter();
    lane.execute(segment_);
    gate->leave();
  }
  if (segment_.isSuspect && gate != nullptr) {
    segment_.retryAlone();
    gate->enterAlone();
    lane.execute(segment_);
    gate->leaveAlone();
  }
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    executing_ = nullptr;
    if (terminated_) lane.allow();
  }
  failure = segment_.failure;
  return !failure;
}

bool Executor::takeOutputs(const Step& step, Failure& failure) {
  if (segment_.outputs.size() != step.outputs.size()) {
    failure.set(FailureKind::Run, "a segment gives " + std::to_string(segment_.outputs.size()) + " values, the program takes " + std::to_string(step.outputs.size()));
    return false;
  }
  for (size_t i = 0; i < step.outputs.size(); i++) {
    OutputTensor& output = segment_.outputs[i];
    Tensor tensor;
    if (output.isSmall) {
      const std::shared_ptr<uint8_t> memory = pool_.take(output.byteLength);
      if (output.byteLength > 0) std::memcpy(memory.get(), segment_.smallBytes.data() + output.smallOffset, output.byteLength);
      tensor = {output.type, output.dims, memory.get(), output.byteLength, memory};
    } else {
      tensor = {output.type, output.dims, static_cast<uint8_t*>(output.bytes), output.byteLength, ownerOf(output)};
    }
    slots_[step.outputs[i].slot] = std::move(tensor);
  }
  return true;
}

/** Memory that only a result uses goes along; what is shared with an input, a constant or another result is copied. */
void Executor::giveResults(Run& run) {
  run.outputs.resize(program_.results.size());
  for (size_t i = 0; i < program_.results.size(); i++) {
    Tensor& tensor = slots_[program_.results[i]];
    OutputTensor& output = run.outputs[i];
    output.type = tensor.type;
    output.dims = tensor.dims;
    output.byteLength = tensor.byteLength;
    if (tensor.byteLength <= kSmallOutputBytes) {
      addSmall(run, output, tensor.bytes);
    } else if (tensor.owner == nullptr || tensor.owner.use_count() > 1) {
      if (!takeCopy(output, tensor.bytes, run.failure)) return;
    } else {
      output.isSmall = false;
      output.bytes = tensor.bytes;
      output.owner = new std::shared_ptr<void>(tensor.owner);
      output.release = releaseOwner;
    }
  }
}

void Executor::release() {
  slots_.clear();
  lanes_.clear();
  program_.sessions.clear();
}

void Executor::terminate() {
  const std::lock_guard<std::mutex> lock(mutex_);
  terminated_ = true;
  if (executing_ != nullptr) executing_->terminate();
}

bool Executor::isInSegment() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return executing_ != nullptr;
}

void Executor::allow() {
  const std::lock_guard<std::mutex> lock(mutex_);
  terminated_ = false;
}

}  // namespace mserve::rank
