#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "backend.h"
#include "failure.h"
#include "onnxruntime/ort_abi.h"

namespace mserve::ort {

/** A loaded ONNX Runtime with its one Env. Shared by all threads, never unloaded (finalizers may still call it at exit). */
class Library {
 public:
  /** Loads the library at `path` once per process. Null and a failure of kind Library when it cannot be used. */
  static const Library* load(const std::string& path, Failure& failure);

  /** Of all that were loaded. */
  static void forEach(const std::function<void(const Library&)>& visit);

  /** A session was opened: from now on the arena can be asked. Any thread. */
  void findArena(const Session* session) const;
  /** Adds what the arena holds, as far as the library tells. Any thread. */
  void addArena(ArenaUse& use) const;

  Api api;
  std::string version;  // e.g. "1.30.0"
  std::string path;
  Env* env = nullptr;
  MemoryInfo* cpuMemory = nullptr;
  Allocator* allocator = nullptr;

  /** Takes the status: true when it is null (ok), else fills the failure and releases it. */
  bool check(Status* status, FailureKind kind, Failure& failure) const;

 private:
  static std::unique_ptr<Library> open(const std::string& path, Failure& failure);
  bool prepare(Failure& failure);
  bool shareArena(Failure& failure);
  /** Of all sessions on the CPU; null until one was opened, and where the library does not tell. */
  mutable std::atomic<Allocator*> arena_{nullptr};
};

/** Owns one ORT object and releases it with the given function of the library. */
template <typename T, void (*Api::*Release)(T*)>
class Owned {
 public:
  explicit Owned(const Library& library) : library_(&library) {}
  Owned(Owned&& other) noexcept : library_(other.library_), object_(other.take()) {}
  Owned(const Owned&) = delete;
  Owned& operator=(const Owned&) = delete;
  ~Owned() { reset(); }

  T* get() const { return object_; }
  T** out() {
    reset();
    return &object_;
  }
  T* take() {
    T* object = object_;
    object_ = nullptr;
    return object;
  }
  void reset() {
    if (object_ != nullptr) (library_->api.*Release)(object_);
    object_ = nullptr;
  }

 private:
  const Library* library_;
  T* object_ = nullptr;
};

using OwnedSession = Owned<Session, &Api::releaseSession>;
using OwnedSessionOptions = Owned<SessionOptions, &Api::releaseSessionOptions>;
using OwnedRunOptions = Owned<RunOptions, &Api::releaseRunOptions>;
using OwnedValue = Owned<Value, &Api::releaseValue>;
using OwnedTypeInfo = Owned<TypeInfo, &Api::releaseTypeInfo>;
using OwnedTensorInfo = Owned<TensorInfo, &Api::releaseTensorInfo>;

}  // namespace mserve::ort
