#include <dlfcn.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <vector>

#include "onnxruntime/ort_abi.h"

/**
 * ONNX Runtime (the library HELD_ONNXRUNTIME, found when this one is first asked) that can be held up:
 *
 * - HELD_ONNXRUNTIME_MS: runs sleep so many milliseconds before they start, as on a device that is busy without taking a core of this machine.
 * - HELD_ONNXRUNTIME_SOCKET: a Unix socket that hears of every step, as a line `WHAT PROCESS THREAD SESSION` (open: a session is about to be made; begin and end of a run. Sessions are
 *   counted from 0 in the order in which they are made), and answers with one byte when it may go on. Without an answer the socket has ended, and everything goes on.
 */
namespace {

using namespace mserve::ort;

/** Of version 22, the newest that mserve asks for: places behind are not used. The library must be ONNX Runtime 1.22 or later, whose tables are as long in every version. */
constexpr size_t kPlaces = 294;

const ApiBase* real;
const void* table[kPlaces];
Status* (*realCreate)(const Env*, const void*, size_t, const SessionOptions*, Session**);
Status* (*realRun)(Session*, const RunOptions*, const char* const*, const Value* const*, size_t, const char* const*, size_t, Value**);

std::mutex mutex;
std::vector<const Session*> sessions;
int connection = -2;

int connected() {
  const char* path = std::getenv("HELD_ONNXRUNTIME_SOCKET");
  if (path == nullptr) return -1;
  const int made = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
  return ::connect(made, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0 ? made : -1;
}

void tell(const char* what, size_t session) {
  std::lock_guard<std::mutex> lock(mutex);
  if (connection == -2) connection = connected();
  if (connection < 0) return;
  char line[128];
  const int length = std::snprintf(line, sizeof(line), "%s %d %ld %zu\n", what, ::getpid(), ::syscall(SYS_gettid), session);
  char answer;
  if (::send(connection, line, static_cast<size_t>(length), MSG_NOSIGNAL) == length && ::read(connection, &answer, 1) == 1) return;
  ::close(connection);
  connection = -1;
}

size_t countOf(const Session* session) {
  std::lock_guard<std::mutex> lock(mutex);
  for (size_t at = sessions.size(); at > 0; at--) {
    if (sessions[at - 1] == session) return at - 1;
  }
  return sessions.size();
}

Status* heldCreate(const Env* env, const void* model, size_t bytes, const SessionOptions* options, Session** session) {
  tell("open", countOf(nullptr));
  Status* const status = realCreate(env, model, bytes, options, session);
  if (status == nullptr) {
    std::lock_guard<std::mutex> lock(mutex);
    sessions.push_back(*session);
  }
  return status;
}

Status* heldRun(
    Session* session, const RunOptions* options, const char* const* inputNames, const Value* const* inputs, size_t inputCount,
    const char* const* outputNames, size_t outputCount, Value** outputs) {
  static const char* const text = std::getenv("HELD_ONNXRUNTIME_MS");
  const long ms = text == nullptr ? 0 : std::atol(text);
  timespec left{ms / 1000, ms % 1000 * 1'000'000};
  while (::nanosleep(&left, &left) != 0) {
  }
  const size_t count = countOf(session);
  tell("begin", count);
  Status* const status = realRun(session, options, inputNames, inputs, inputCount, outputNames, outputCount, outputs);
  tell("end", count);
  return status;
}

const void* const* getApi(uint32_t version) {
  const void* const* api = real->getApi(version);
  if (api == nullptr) return nullptr;
  std::memcpy(table, api, sizeof(table));
  realCreate = reinterpret_cast<decltype(realCreate)>(const_cast<void*>(table[8]));
  realRun = reinterpret_cast<decltype(realRun)>(const_cast<void*>(table[9]));
  table[8] = reinterpret_cast<const void*>(&heldCreate);
  table[9] = reinterpret_cast<const void*>(&heldRun);
  return table;
}

const char* getVersionString() { return real->getVersionString(); }

}  // namespace

extern "C" __attribute__((visibility("default"))) const ApiBase* OrtGetApiBase() {
  static const ApiBase base{getApi, getVersionString};
  const char* path = std::getenv("HELD_ONNXRUNTIME");
  void* library = path == nullptr ? nullptr : ::dlopen(path, RTLD_NOW | RTLD_LOCAL);
  auto getBase = library == nullptr ? nullptr : reinterpret_cast<const ApiBase* (*)()>(::dlsym(library, "OrtGetApiBase"));
  real = getBase == nullptr ? nullptr : getBase();
  return real == nullptr ? nullptr : &base;
}
