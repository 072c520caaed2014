#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "element_type.h"
#include "failure.h"
#include "load_cancellation.h"
#include "run.h"

namespace mserve {

/** One graph input or output as the model declares it; a dim of -1 is decided at run time. */
struct ValueDescription {
  std::string name;
  ElementType type = ElementType::Undefined;
  bool hasShape = false;  // false also for scalars: the ABI of 1.17 cannot tell a scalar from "no shape declared"
  std::vector<int64_t> dims;
  std::vector<std::string> dimNames;
};

struct SessionDescription {
  std::vector<ValueDescription> inputs;
  std::vector<ValueDescription> outputs;
};

/** A weight given by reference: the memory belongs to JavaScript and lives as long as the session. */
struct Initializer {
  std::string name;
  ElementType type = ElementType::Undefined;
  std::vector<int64_t> dims;
  void* bytes = nullptr;
  size_t byteLength = 0;
};

/** Everything a backend needs to load a model. modelBytes points into JavaScript memory that is kept until the load has ended. */
struct OpenRequest {
  std::string libraryPath;
  const uint8_t* modelBytes = nullptr;
  size_t modelLength = 0;
  std::string modelPath;  // used when modelBytes is null
  int intraOpThreads = 1;
  int interOpThreads = 1;
  int concurrentRuns = 1;
  int graphOptimization = 99;
  /** See SessionCore::tryInline. Nanoseconds; 0 = never. */
  int64_t inlineBelowNs = 0;
  int64_t inlineAloneBelowNs = 0;
  std::vector<Initializer> initializers;
  bool refuseLinks = false;    // of modelPath
  std::string externalFolder;  // '' = external data of a model given as bytes is refused
};

/** The place of one run thread in a session: whatever a run can reuse. Used by one thread at a time, but for terminate(). */
class Lane {
 public:
  virtual ~Lane() = default;
  /** Executes the run and fills its outputs or its failure. Blocks. */
  virtual void execute(Run& run) = 0;
  /** Asks the execution that is going on to end early. Any thread; stays in force until allow(). */
  virtual void terminate() = 0;
  /** Takes terminate() back, between two executions. */
  virtual void allow() = 0;
};

/** A loaded model. Destroyed on a run thread, after the last lane. */
class BackendSession {
 public:
  virtual ~BackendSession() = default;
  virtual const SessionDescription& description() const = 0;
  /** Whether the values of inputs may decide how long a run takes: such a model never runs on its owner's thread. */
  virtual bool hasOpenEndedCost() const = 0;
  virtual std::unique_ptr<Lane> createLane(Failure& failure) = 0;
};

/** One kind of runtime (ONNX Runtime; later AscendCL). Lives as long as the process. */
class Backend {
 public:
  virtual ~Backend() = default;
  /** Loads a model; blocks; null and a failure when it cannot, or when it was cancelled. */
  virtual std::unique_ptr<BackendSession> open(const OpenRequest& request, LoadCancellation& cancellation, Failure& failure) = 0;
};

/** The backend that runs ONNX models with the library at request.libraryPath. */
Backend& onnxRuntimeBackend();

}  // namespace mserve
