/**
 * A small NCCL with as much of the CUDA runtime as goes with it, for tests: ranks are threads of one process, a device's memory is the heap, and a stream executes what is
 * put on it, in order, while somebody asks for its state. What a real one would not forgive (host memory given as device memory, members that call different collectives) is counted as
 * a violation. With hooks: fakeNcclHang(1): collectives never end; fakeNcclFailAt(n): the n-th call from now fails; fakeNcclLive(): what is not given back.
 */
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "rank/nccl/nccl_abi.h"
#include "rank/reduction.h"

using namespace mserve;
using namespace mserve::rank;
using namespace mserve::rank::nccl;

namespace {

constexpr int kInternalError = 3;
constexpr int kInvalidArgument = 4;
constexpr int kCudaInvalidValue = 1;
constexpr int kDevices = 8;

enum class Kind { AllReduce, AllGather, ReduceScatter, Broadcast };

struct Collective {
  Kind kind;
  const uint8_t* input;
  uint8_t* output;
  size_t count;
  int type;
  int parameter;  // reduction or root
  bool isDone = false;
};

struct Message {
  const uint8_t* from = nullptr;
  uint8_t* to = nullptr;
  size_t bytes = 0;
  bool isDone = false;
};

/** What the members of a communicator have in common. */
struct World {
  int size = 0;
  int joined = 0;
  std::map<int, std::vector<std::shared_ptr<Collective>>> collectives;  // by sequence, then by rank
  std::map<std::pair<int, int>, std::deque<std::shared_ptr<Message>>> sends;
  std::map<std::pair<int, int>, std::deque<std::shared_ptr<Message>>> receives;
};

/** True when it is done; asked again and again until then. */
using Operation = std::function<bool()>;

std::mutex mutex;
std::map<std::string, std::shared_ptr<World>> worlds;
std::map<const uint8_t*, size_t> memory;
std::set<std::string> violations;
long live = 0;
long calls = 0;
long failAt = 0;
bool hangs = false;
int nextId = 0;
thread_local std::vector<std::pair<Stream*, Operation>>* grouped = nullptr;

bool fails() { return ++calls == failAt; }

bool isOnDevice(const void* pointer, size_t bytes) {
  const auto* address = static_cast<const uint8_t*>(pointer);
  auto after = memory.upper_bound(address);
  if (after == memory.begin()) return false;
  --after;
  return address + bytes <= after->first + after->second;
}

void expectOnDevice(const void* pointer, size_t bytes) {
  if (!isOnDevice(pointer, bytes)) violations.insert("host memory is given as device memory");
}

const ElementType types[] = {ElementType::Int8,   ElementType::Uint8,   ElementType::Int32,   ElementType::Uint32,  ElementType::Int64,
                             ElementType::Uint64, ElementType::Float16, ElementType::Float32, ElementType::Float64, ElementType::Bfloat16};
const Reduction reductions[] = {Reduction::Sum, Reduction::Prod, Reduction::Max, Reduction::Min};

void execute(std::vector<std::shared_ptr<Collective>>& members) {
  const Collective& first = *members[0];
  const size_t bytes = first.count * elementSize(types[first.type]);
  const size_t size = members.size();
  for (const auto& member : members) {
    if (member->kind != first.kind || member->count != first.count || member->type != first.type || member->parameter != first.parameter) violations.insert("members call different collectives");
  }
  const auto reduce = [&](uint8_t* into, size_t offset) {
    std::vector<uint8_t> sum(first.input + offset, first.input + offset + bytes);
    for (size_t i = 1; i < size; i++) reduceInto(sum.data(), members[i]->input + offset, first.count, types[first.type], reductions[first.parameter]);
    std::memcpy(into, sum.data(), bytes);
  };
  for (size_t i = 0; i < size; i++) {
    uint8_t* const output = members[i]->output;
    if (first.kind == Kind::AllReduce) reduce(output, 0);
    if (first.kind == Kind::ReduceScatter) reduce(output, i * bytes);
    if (first.kind == Kind::Broadcast) std::memcpy(output, members[first.parameter]->input, bytes);
    for (size_t j = 0; j < size && first.kind == Kind::AllGather; j++) std::memcpy(output + j * bytes, members[j]->input, bytes);
  }
  for (const auto& member : members) member->isDone = true;
}

}  // namespace

namespace mserve::rank::nccl {

struct Comm {
  std::shared_ptr<World> world;
  int rank;
  int sequence = 0;
  bool isAborted = false;
  int looks = 0;
};

struct Stream {
  std::deque<Operation> operations;
};

}  // namespace mserve::rank::nccl

namespace {

void put(Stream* stream, Operation operation) {
  if (grouped != nullptr) {
    grouped->emplace_back(stream, std::move(operation));
  } else {
    stream->operations.push_back(std::move(operation));
  }
}

int collective(Collective given, Comm* comm, Stream* stream, size_t inputs, size_t outputs) {
  const std::lock_guard<std::mutex> lock(mutex);
  if (fails()) return kInternalError;
  if (given.type < 0 || given.type > 9) return kInvalidArgument;
  const size_t bytes = given.count * elementSize(types[given.type]);
  expectOnDevice(given.input, bytes * inputs);
  expectOnDevice(given.output, bytes * outputs);
  auto own = std::make_shared<Collective>(given);
  const int sequence = comm->sequence++;
  std::shared_ptr<World> world = comm->world;
  const int rank = comm->rank;
  put(stream, [=, isIn = false]() mutable {
    auto& members = world->collectives[sequence];
    members.resize(world->size);
    if (!isIn) members[rank] = own;
    isIn = true;
    if (own->isDone) return true;
    if (hangs) return false;
    for (const auto& member : members) {
      if (member == nullptr) return false;
    }
    execute(members);
    return true;
  });
  return kSuccess;
}

int message(Message given, std::pair<int, int> way, bool isSend, Comm* comm, Stream* stream) {
  const std::lock_guard<std::mutex> lock(mutex);
  if (fails()) return kInternalError;
  expectOnDevice(isSend ? given.from : given.to, given.bytes);
  auto own = std::make_shared<Message>(given);
  std::shared_ptr<World> world = comm->world;
  // In place when the stream comes to it: what is before it on the stream (the copy to the device) has been done then
  put(stream, [=, isIn = false]() mutable {
    if (!isIn) (isSend ? world->sends : world->receives)[way].push_back(own);
    isIn = true;
    auto& sends = world->sends[way];
    auto& receives = world->receives[way];
    while (!hangs && !sends.empty() && !receives.empty()) {
      if (sends.front()->bytes != receives.front()->bytes) violations.insert("a send and its receive have different lengths");
      std::memcpy(receives.front()->to, sends.front()->from, receives.front()->bytes);
      sends.front()->isDone = receives.front()->isDone = true;
      sends.pop_front();
      receives.pop_front();
    }
    return own->isDone;
  });
  return kSuccess;
}

}  // namespace

#define FAKE extern "C" __attribute__((visibility("default")))

FAKE int ncclGetUniqueId(UniqueId* id) {
  const std::lock_guard<std::mutex> lock(mutex);
  if (fails()) return kInternalError;
  std::memset(id, 0, sizeof(*id));
  std::snprintf(id->bytes, sizeof(id->bytes), "fake %d", ++nextId);
  return kSuccess;
}

FAKE int ncclCommInitRankConfig(Comm** comm, int size, UniqueId id, int rank, Config* config) {
  const std::lock_guard<std::mutex> lock(mutex);
  if (fails()) return kInternalError;
  if (config->magic != 0xcafebeef || config->blocking != 0) return kInvalidArgument;
  std::shared_ptr<World>& world = worlds[id.bytes];
  if (world == nullptr) world = std::make_shared<World>();
  world->size = size;
  world->joined++;
  live++;
  *comm = new Comm{world, rank};
  return kInProgress;
}

FAKE int ncclCommInitRank(Comm** comm, int size, UniqueId id, int rank) {
  Config config;
  const int result = ncclCommInitRankConfig(comm, size, id, rank, &config);
  return result == kInProgress ? static_cast<int>(kSuccess) : result;
}

FAKE int ncclCommGetAsyncError(Comm* comm, int* state) {
  const std::lock_guard<std::mutex> lock(mutex);
  if (fails()) return kInternalError;
  *state = comm->world->joined < comm->world->size || comm->looks++ % 3 == 0 ? kInProgress : kSuccess;
  return kSuccess;
}

FAKE int ncclCommAbort(Comm* comm) {
  const std::lock_guard<std::mutex> lock(mutex);
  live--;
  delete comm;
  return kSuccess;
}

FAKE int ncclAllReduce(const void* in, void* out, size_t count, int type, int reduction, Comm* comm, Stream* stream) {
  return collective({Kind::AllReduce, static_cast<const uint8_t*>(in), static_cast<uint8_t*>(out), count, type, reduction}, comm, stream, 1, 1);
}
FAKE int ncclAllGather(const void* in, void* out, size_t count, int type, Comm* comm, Stream* stream) {
  return collective({Kind::AllGather, static_cast<const uint8_t*>(in), static_cast<uint8_t*>(out), count, type, 0}, comm, stream, 1, comm->world->size);
}
FAKE int ncclReduceScatter(const void* in, void* out, size_t count, int type, int reduction, Comm* comm, Stream* stream) {
  return collective({Kind::ReduceScatter, static_cast<const uint8_t*>(in), static_cast<uint8_t*>(out), count, type, reduction}, comm, stream, comm->world->size, 1);
}
FAKE int ncclBroadcast(const void* in, void* out, size_t count, int type, int root, Comm* comm, Stream* stream) {
  return collective({Kind::Broadcast, static_cast<const uint8_t*>(in), static_cast<uint8_t*>(out), count, type, root}, comm, stream, 1, 1);
}
FAKE int ncclSend(const void* from, size_t count, int, int peer, Comm* comm, Stream* stream) {
  return message({static_cast<const uint8_t*>(from), nullptr, count}, {comm->rank, peer}, true, comm, stream);
}
FAKE int ncclRecv(void* to, size_t count, int, int peer, Comm* comm, Stream* stream) {
  return message({nullptr, static_cast<uint8_t*>(to), count}, {peer, comm->rank}, false, comm, stream);
}
FAKE int ncclGroupStart() {
  grouped = new std::vector<std::pair<Stream*, Operation>>();
  return kSuccess;
}
FAKE int ncclGroupEnd() {
  const std::lock_guard<std::mutex> lock(mutex);
  std::unique_ptr<std::vector<std::pair<Stream*, Operation>>> all(grouped);
  grouped = nullptr;
  if (fails()) return kInternalError;
  if (all->empty()) return kSuccess;
  Stream* const stream = all->front().first;
  auto shared = std::make_shared<std::vector<std::pair<Stream*, Operation>>>(std::move(*all));
  stream->operations.push_back([shared] {
    bool isDone = true;
    for (auto& [own, operation] : *shared) isDone = operation() && isDone;
    return isDone;
  });
  return kSuccess;
}
FAKE const char* ncclGetErrorString(int) { return "internal error of the fake"; }

FAKE int cudaGetDeviceCount(int* count) {
  *count = kDevices;
  return kCudaSuccess;
}
FAKE int cudaSetDevice(int device) { return device < kDevices ? static_cast<int>(kCudaSuccess) : kCudaInvalidValue; }
FAKE int cudaMalloc(void** pointer, size_t bytes) {
  const std::lock_guard<std::mutex> lock(mutex);
  if (fails()) return kCudaInvalidValue;
  *pointer = std::malloc(bytes);
  memory[static_cast<uint8_t*>(*pointer)] = bytes;
  live++;
  return kCudaSuccess;
}
FAKE int cudaFree(void* pointer) {
  const std::lock_guard<std::mutex> lock(mutex);
  memory.erase(static_cast<uint8_t*>(pointer));
  std::free(pointer);
  live--;
  return kCudaSuccess;
}
FAKE int cudaMemcpyAsync(void* to, const void* from, size_t bytes, int kind, Stream* stream) {
  const std::lock_guard<std::mutex> lock(mutex);
  if (fails()) return kCudaInvalidValue;
  expectOnDevice(kind == kHostToDevice ? to : from, bytes);
  if (isOnDevice(kind == kHostToDevice ? from : to, bytes)) violations.insert("device memory is given as host memory");
  stream->operations.push_back([=] {
    std::memcpy(to, from, bytes);
    return true;
  });
  return kCudaSuccess;
}
FAKE int cudaStreamCreateWithFlags(Stream** stream, unsigned) {
  const std::lock_guard<std::mutex> lock(mutex);
  if (fails()) return kCudaInvalidValue;
  *stream = new Stream();
  live++;
  return kCudaSuccess;
}
FAKE int cudaStreamDestroy(Stream* stream) {
  const std::lock_guard<std::mutex> lock(mutex);
  delete stream;
  live--;
  return kCudaSuccess;
}
FAKE int cudaStreamQuery(Stream* stream) {
  const std::lock_guard<std::mutex> lock(mutex);
  if (fails()) return kCudaInvalidValue;
  while (!stream->operations.empty()) {
    if (!stream->operations.front()()) return kCudaNotReady;
    stream->operations.pop_front();
  }
  return kCudaSuccess;
}
FAKE const char* cudaGetErrorString(int) { return "invalid value, says the fake"; }

FAKE void fakeNcclHang(int on) {
  const std::lock_guard<std::mutex> lock(mutex);
  hangs = on != 0;
}
FAKE void fakeNcclFailAt(long n) {
  const std::lock_guard<std::mutex> lock(mutex);
  calls = 0;
  failAt = n;
}
FAKE long fakeNcclCalls() {
  const std::lock_guard<std::mutex> lock(mutex);
  return calls;
}
FAKE long fakeNcclLive() {
  const std::lock_guard<std::mutex> lock(mutex);
  return live;
}
FAKE int fakeNcclViolations(char* text, size_t length) {
  const std::lock_guard<std::mutex> lock(mutex);
  std::string all;
  for (const std::string& violation : violations) all += violation + "; ";
  std::snprintf(text, length, "%s", all.c_str());
  return static_cast<int>(violations.size());
}
