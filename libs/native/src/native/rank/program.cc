#include "rank/program.h"

#include <algorithm>

#include "rank/frame.h"

namespace mserve::rank {

namespace {

/** Takes numbers one after the other; zeros after the end, and ok() is false then. */
class Words {
 public:
  Words(const double* words, size_t count) : words_(words), count_(count) {}

  bool ok() const { return ok_; }
  bool isAtEnd() const { return at_ == count_; }
  double next() {
    if (at_ < count_) return words_[at_++];
    ok_ = false;
    return 0;
  }
  uint32_t number() { return static_cast<uint32_t>(next()); }
  /** How many follow; never more than there are words. */
  size_t length() {
    const double length = next();
    if (length >= 0 && length <= static_cast<double>(count_)) return static_cast<size_t>(length);
    ok_ = false;
    return 0;
  }
  std::vector<uint32_t> numbers() {
    std::vector<uint32_t> all(length());
    for (uint32_t& each : all) each = number();
    return all;
  }
  std::vector<Value> values() {
    std::vector<Value> all(length());
    for (Value& value : all) {
      value.slot = number();
      value.type = static_cast<ElementType>(number());
      value.dims.resize(length());
      for (int64_t& dim : value.dims) dim = static_cast<int64_t>(next());
    }
    return all;
  }

 private:
  const double* words_;
  size_t count_;
  size_t at_ = 0;
  bool ok_ = true;
};

Step readStep(Words& words) {
  Step step;
  step.kind = static_cast<StepKind>(words.number());
  step.session = words.number();
  step.group = words.number();
  step.reduction = static_cast<Reduction>(words.number());
  step.peer = words.number();
  step.tag = words.number();
  step.splitAxis = words.number();
  step.concatAxis = words.number();
  step.inputs = words.numbers();
  step.outputs = words.values();
  step.sendTo = words.numbers();
  step.receiveFrom = words.numbers();
  step.frees = words.numbers();
  return step;
}

bool isSound(const Program& program, const Step& step) {
  const auto isSlot = [&](uint32_t slot) { return slot < program.slots; };
  const bool usesSlots = std::all_of(step.inputs.begin(), step.inputs.end(), isSlot) && std::all_of(step.frees.begin(), step.frees.end(), isSlot) &&
                         std::all_of(step.outputs.begin(), step.outputs.end(), [&](const Value& value) { return isSlot(value.slot); });
  if (!usesSlots || step.kind < StepKind::Segment || step.kind > StepKind::Receive) return false;
  if (step.kind == StepKind::Segment) return step.session < program.sessions.size();
  if (step.group >= program.groups.size()) return false;
  const bool takesOne = step.kind != StepKind::Receive && step.kind != StepKind::Broadcast && step.kind != StepKind::NeighborExchange;
  if (takesOne && step.inputs.size() != 1) return false;
  if (step.kind == StepKind::Broadcast && step.inputs.size() != step.outputs.size()) return false;
  if (step.kind == StepKind::NeighborExchange) return step.sendTo.size() == step.inputs.size() && step.receiveFrom.size() == step.outputs.size();
  return step.kind == StepKind::Send || step.kind == StepKind::Broadcast || step.outputs.size() == 1;
}

}  // namespace

bool readProgram(const double* numbers, size_t count, uint32_t rank, Program& program) {
  Words words(numbers, count);
  program.slots = words.number();
  program.groups.resize(words.length());
  for (Group& group : program.groups) {
    group.ranks = words.numbers();
    group.id = groupId(group.ranks);
    const auto own = std::find(group.ranks.begin(), group.ranks.end(), rank);
    if (own == group.ranks.end()) return false;
    group.index = static_cast<uint32_t>(own - group.ranks.begin());
  }
  program.inputs = words.values();
  for (const Value& value : words.values()) {
    if (value.slot >= program.slots) return false;
    program.constants.push_back({value.slot, Tensor{value.type, value.dims, nullptr, 0, nullptr}});
  }
  program.results = words.numbers();
  program.steps.resize(words.length());
  for (Step& step : program.steps) step = readStep(words);
  const auto isSlot = [&](uint32_t slot) { return slot < program.slots; };
  return words.ok() && words.isAtEnd() && std::all_of(program.results.begin(), program.results.end(), isSlot) &&
         std::all_of(program.inputs.begin(), program.inputs.end(), [&](const Value& value) { return isSlot(value.slot); }) &&
         std::all_of(program.steps.begin(), program.steps.end(), [&](const Step& step) { return isSound(program, step); });
}

}  // namespace mserve::rank
