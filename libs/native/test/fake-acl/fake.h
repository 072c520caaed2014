#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

/**
 * A stand-in for libascendcl.so, for tests: no Ascend hardware, no vendor code. It answers with the real library's codes, keeps device memory out of the host's reach, and
 * writes down every misuse that the real library would not notice or would not survive (a violation).
 */
#define FAKE_ACL_API extern "C" __attribute__((visibility("default")))

namespace fake {

using Error = int;

constexpr Error kInvalidParam = 100000, kUninitialized = 100001, kRepeatInitialize = 100002, kRepeatFinalize = 100037;
constexpr Error kRtParam = 107000, kRtDevice = 107001, kRtNoContext = 107002, kRtModelContext = 107004, kNoMemory = 207001;
constexpr Error kContextRelease = 507007, kModelExecute = 507011;
constexpr Error kModelParam = 145000, kModelPath = 145002, kModelId = 145003, kModelSize = 145006, kGearAddress = 145011, kGearLength = 145012, kGear = 145013;

struct Block {
  size_t size = 0;
  int device = 0;
  uint8_t* alias = nullptr;  // the same memory, where the fake may touch it
  bool isWritten = false;
};

struct Context {
  int device = 0;
  bool isDefault = false;
};

struct DataBuffer {
  void* bytes;
  size_t size;
  int sets = 0;  // datasets that borrow it
};

struct Dataset {
  std::vector<DataBuffer*> buffers;
  uint64_t gear = 0;
};

struct Tensor {
  std::string name;
  std::string dtype;
  std::vector<int64_t> dims;
  std::vector<double> values;
};

struct Node {
  std::string op;
  std::vector<std::string> inputs;
  std::string output;
  std::map<std::string, std::string> attributes;
};

/** What a toy .om file says. */
struct Graph {
  std::vector<Tensor> inputs;
  std::vector<Tensor> outputs;
  std::vector<std::string> outputOf;  // the tensor of each output
  std::vector<uint64_t> gears;
  std::map<std::string, Tensor> weights;
  std::vector<Node> nodes;
  int sleepUs = 0;
  int failAt = 0;
  Error failCode = 0;
};

struct Model {
  std::shared_ptr<Graph> graph;
  const Context* context = nullptr;
  bool isBusy = false;
  int executions = 0;
  uint64_t gear = 0;  // of the last execution
};

struct Description {
  std::shared_ptr<Graph> graph;
  uint32_t model = 0;
};

/** Everything that is alive. Guarded by `mutex`. */
struct World {
  std::mutex mutex;
  bool isInitialized = false;
  bool wasFinalized = false;
  int devices = 1;
  std::map<uintptr_t, Block> blocks;
  std::set<uintptr_t> freed;
  std::set<Context*> contexts;
  std::set<DataBuffer*> buffers;
  std::set<Dataset*> datasets;
  std::set<Description*> descriptions;
  std::map<uint32_t, std::shared_ptr<Model>> models;
  std::set<uint32_t> unloaded;
  std::map<int, int> devicesSet;  // SetDevice without ResetDevice
  uint32_t nextModel = 1;
  std::vector<std::string> violations;
  long calls = 0;
  long failAt = 0;  // of all calls
  Error failCode = 0;
  std::string failName;  // of calls of one function
  long failNameAt = 0;
  std::map<std::string, long> callsOf;
  size_t bytesInUse = 0;
};
World& world();

/** Written down, and ends the process where FAKE_ACL_STRICT is abort. */
void violation(const std::string& text);
/** Sets the text that aclGetRecentErrMsg gives on this thread, and gives the code. */
Error fail(Error code, const std::string& text);

/** One call of the API: holds the world's mutex. Not ok: an injected failure, or a call while the library is not initialized. */
class Call {
 public:
  explicit Call(const char* name, bool needsInit = true);
  bool isOk() const { return code == 0; }
  Error code = 0;

 private:
  std::unique_lock<std::mutex> lock_;
 public:
  void unlock() { lock_.unlock(); }
  void lock() { lock_.lock(); }
};

/** The current context of this thread; null and a failure set in `code` when there is none. */
Context* currentContext(const char* name, Error& code);

// fake_memory.cc
Error allocate(size_t size, int device, void** address);
/** The live block that holds [address, address + size); null when none does. */
Block* blockOf(const void* address, size_t size);
/** Where the fake may touch what is at this address of a live block. */
uint8_t* aliasOf(const void* address, const Block& block);

// fake_graph.cc
std::shared_ptr<Graph> readGraph(const std::string& path, Error& code, std::string& text);
size_t elementSize(const std::string& dtype);
int typeNumber(const std::string& dtype);
size_t countOf(const std::vector<int64_t>& dims);

// fake_ops.cc
/** Executes the graph; an empty text when it could. */
std::string execute(const Graph& graph, std::map<std::string, Tensor>& tensors);
void decode(const uint8_t* bytes, Tensor& tensor);
void encode(const Tensor& tensor, const std::string& dtype, uint8_t* bytes);

}  // namespace fake
