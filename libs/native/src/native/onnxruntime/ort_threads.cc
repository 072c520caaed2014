#include "onnxruntime/ort_threads.h"

#include <exception>
#include <thread>

namespace mserve::ort {

struct Thread {
  std::thread thread;
};

namespace {

/** Null when no thread is to be had: ONNX Runtime then fails the load. */
Thread* createThread(void* traps, void (*work)(void*), void* argument) {
  try {
    return new Thread{std::thread([traps, work, argument] {
      const DivisionGuard guard(*static_cast<DivisionTraps*>(traps));
      work(argument);
    })};
  } catch (const std::exception&) {
    return nullptr;
  }
}

void joinThread(Thread* thread) {
  thread->thread.join();
  delete thread;
}

}  // namespace

bool guardPoolThreads(const Library& library, SessionOptions* options, DivisionTraps& traps, Failure& failure) {
#if MSERVE_DIVISIONS_TRAP
  const auto check = [&](Status* status) { return library.check(status, FailureKind::Load, failure); };
  return check(library.api.setCreateThread(options, createThread)) && check(library.api.setThreadOptions(options, &traps)) &&
         check(library.api.setJoinThread(options, joinThread));
#else
  (void)library, (void)options, (void)traps, (void)failure, (void)createThread, (void)joinThread;
  return true;
#endif
}

}  // namespace mserve::ort
