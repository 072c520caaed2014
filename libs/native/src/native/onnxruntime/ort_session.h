#pragma once

#include <set>
#include <string>
#include <vector>

#include "backend.h"
#include "onnx/model_file.h"
#include "onnx/model_scan.h"
#include "onnxruntime/ort_library.h"
#include "traps/division_guard.h"

namespace mserve::ort {

/** A model loaded by ONNX Runtime, and what all its lanes read. */
class OrtSession : public BackendSession {
 public:
  explicit OrtSession(const Library& library) : library_(library), session_(library) {}

  bool load(const OpenRequest& request, LoadCancellation& cancellation, Failure& failure);
  const SessionDescription& description() const override { return description_; }
  bool hasOpenEndedCost() const override { return scan_.hasOpenEndedCost; }
  AloneGate* gate() override { return hasPools_ ? &gate_ : nullptr; }
  std::unique_ptr<Lane> createLane(Failure& failure) override;

  const Library& library() const { return library_; }
  Session* session() const { return session_.get(); }
  /** Divisions by zero on threads that all runs of this session share. */
  const DivisionTraps& poolTraps() const { return poolTraps_; }
  const std::vector<const char*>& inputNames() const { return inputNames_; }
  /** Of description().defaults. */
  const std::vector<const char*>& defaultNames() const { return defaultNames_; }
  const std::vector<const char*>& outputNames() const { return outputNames_; }

 private:
  bool configure(const OpenRequest& request, SessionOptions* options, Failure& failure);
  bool addOperators(const OpenRequest& request, SessionOptions* options, Failure& failure);
  bool addInitializers(const OpenRequest& request, SessionOptions* options, Failure& failure);
  struct ModelBytes {
    const uint8_t* bytes;
    size_t length;
  };
  /** `rewritten`: the model to be loaded instead, when one is needed. */
  bool addExternalData(const OpenRequest& request, ModelBytes model, SessionOptions* options, std::vector<MappedFile>& files,
                       std::string& rewritten, Failure& failure);

  const Library& library_;
  std::vector<OwnedValue> initializers_;  // before session_: outlive it
  DivisionTraps poolTraps_;               // likewise
  OwnedSession session_;
  bool hasPools_ = false;
  AloneGate gate_;
  ModelScan scan_;
  std::set<std::string> unzipped_;  // names of outputs that were sequences of maps
  SessionDescription description_;
  std::vector<const char*> inputNames_;   // into description_
  std::vector<const char*> defaultNames_;
  std::vector<const char*> outputNames_;
};

/** Reads names, types and shapes; fails, naming the value, when one is not a tensor of a supported type. `scan`: what the file declares. */
bool describeSession(const Library& library, Session* session, const ModelScan& scan, SessionDescription& description, Failure& failure);

}  // namespace mserve::ort
