#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "alone_gate.h"
#include "element_type.h"
#include "failure.h"
#include "load_cancellation.h"
#include "provider_report.h"
#include "run.h"

namespace mserve {

/** One graph input or output as the model declares it; a dim of -1 is decided at run time. */
struct ValueDescription {
  std::string name;
  ElementType type = ElementType::Undefined;
  bool hasShape = false;  // false: the model does not say how many dims there are, and `dims` is empty
  std::vector<int64_t> dims;
  std::vector<std::string> dimNames;
  bool isUnzipped = false;  // an output that was a sequence of maps in the file
  int position = 0;  // of an input: its place among all inputs of the model, those with a value of their own included
};

/** An output that no run gives. */
struct UnusableValue {
  std::string name;
  std::string reason;
};

struct SessionDescription {
  std::vector<ValueDescription> inputs;
  std::vector<ValueDescription> outputs;
  int64_t maxBatch = 0;  // the largest first dim of a run, of a model that takes several; 0: the model does not say
  std::vector<ValueDescription> defaults;  // inputs with a value of their own: runs may leave them out, or give them after the others
  std::vector<UnusableValue> unusable;     // outputs that are no tensors of a known type
  bool hasClassicOperators = false;        // of ai.onnx.ml: outputs may have names of classes
};

/** A weight given by reference: the memory belongs to JavaScript and lives as long as the session. */
struct Initializer {
  std::string name;
  ElementType type = ElementType::Undefined;
  std::vector<int64_t> dims;
  void* bytes = nullptr;
  size_t byteLength = 0;
};

/** What a session gives its runs, whoever loaded the model. */
struct SeatRequest {
  int concurrentRuns = 1;
  /** See SessionCore::tryInline. Nanoseconds; 0 = never. */
  int64_t inlineBelowNs = 0;
  int64_t inlineAloneBelowNs = 0;
  /** CPU cores that the session's threads may use; empty = any. */
  std::vector<int> coreIds;
};

/** Where a model is to run. */
struct DeviceRequest {
  std::string backend;   // a name of the registry (backend_registry.h)
  std::string provider;  // one of the backend's
  int id = 0;            // counts the devices of that provider
  std::vector<std::pair<std::string, std::string>> options;  // the provider's own
};

/** Everything a backend needs to load a model. modelBytes points into JavaScript memory that is kept until the load has ended. */
struct OpenRequest {
  DeviceRequest device;
  std::string libraryPath;
  const uint8_t* modelBytes = nullptr;
  size_t modelLength = 0;
  std::string modelPath;  // used when modelBytes is null
  int intraOpThreads = 1;
  int interOpThreads = 1;
  /** Sessions that will share the loaded model: its pools get the threads of them all. */
  int sharedBy = 1;
  int graphOptimization = 99;
  std::string disabledOptimizers;  // names, separated by ';'
  std::vector<std::string> operatorLibraries;  // paths of shared libraries with operators
  SeatRequest seats;
  std::vector<Initializer> initializers;
  bool refuseLinks = false;    // of modelPath
  /** Folders (real paths) that links of the model file and of external data may lead into, besides the folder of external data. */
  std::vector<std::string> linkRoots;
  std::string externalFolder;  // '' = external data of a model given as bytes is refused, and of one given by its path read beside it
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

/** A loaded model, of one session or shared by several. Destroyed on a run thread, after the last lane. createLane and the rest: any thread. */
class BackendSession {
 public:
  virtual ~BackendSession() = default;
  virtual const SessionDescription& description() const = 0;
  /** Whether the values of inputs may decide how long a run takes: such a model never runs on its owner's thread. */
  virtual bool hasOpenEndedCost() const = 0;
  /**
   * Null when no run can be at fault for another's failure. Else runs share threads of the backend: every run executes inside the gate, one that has
   * to be alone (see Run::isSuspect) is alone in there, whichever session it came from.
   */
  virtual AloneGate* gate() = 0;
  virtual std::unique_ptr<Lane> createLane(Failure& failure) = 0;
};

/** What runs allocate in this process' memory, in bytes. */
struct ArenaUse {
  bool isKnown = false;
  double inUse = 0;      // by weights, by runs, and by outputs that are not copied yet
  double allocated = 0;  // taken from the system, and kept for further runs
  double peak = 0;       // most that was in use
};

/** One kind of runtime (ONNX Runtime, AscendCL). Lives as long as the process. */
class Backend {
 public:
  virtual ~Backend() = default;
  /** As requests call it. */
  virtual const char* name() const = 0;
  /** The kinds of device that it knows, whether or not this machine has them. */
  virtual std::vector<std::string> providers() const = 0;
  /**
   * What this machine has of one of providers(); blocks. `libraryPath` as in OpenRequest. `driverOnly`: only what costs nothing where there is no driver.
   */
  virtual void examine(const std::string& provider, const std::string& libraryPath, bool driverOnly, ProviderReport& report) = 0;
  /** The process ends, or nobody is left who could open a session: gives back what is held for the whole process. No session is open in most cases. */
  virtual void end() {}
  /** Adds the memory that its runs have on the CPU, where it is told. Any thread. */
  virtual void addArena(ArenaUse&) {}
  /** Loads a model; blocks; null and a failure when it cannot, or when it was cancelled. */
  virtual std::unique_ptr<BackendSession> open(const OpenRequest& request, LoadCancellation& cancellation, Failure& failure) = 0;
};

}  // namespace mserve
