#pragma once

#include <vector>

#include "backend.h"
#include "onnxruntime/ort_session.h"

namespace mserve::ort {

/** Executes runs of one session on one thread; keeps what runs have in common. */
class OrtLane : public Lane {
 public:
  explicit OrtLane(const OrtSession& session) : session_(session), library_(session.library()), options_(library_) {}

  bool prepare(Failure& failure);
  void execute(Run& run) override;
  void terminate() override;
  void allow() override;

 private:
  bool makeInputs(Run& run);
  const char* const* namesOf(const Run& run);
  bool makeInput(const InputTensor& input, const ValueDescription& expected, Value** value, Failure& failure);
  void* alignedBytes(const InputTensor& input, size_t alignment);
  bool takeOutputs(Run& run);
  bool takeOutput(Run& run, OutputTensor& output, Value*& value);
  void releaseValues();
  void blameDivisions(Run& run, uint64_t ownBefore, uint64_t poolBefore);

  const OrtSession& session_;
  const Library& library_;
  OwnedRunOptions options_;
  DivisionTraps traps_;  // on the thread that executes
  std::vector<Value*> inputs_;
  std::vector<const char*> givenNames_;  // of a run that gives inputs which it could have left out
  std::vector<Value*> outputs_;
  std::vector<std::vector<uint64_t>> copies_;  // of misaligned inputs
};

}  // namespace mserve::ort
