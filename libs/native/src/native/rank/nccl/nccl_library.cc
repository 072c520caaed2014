#include "rank/nccl/nccl_library.h"

#include <dlfcn.h>

#include <vector>

namespace mserve::rank::nccl {

namespace {

void* open(const std::string& path, const std::vector<std::string>& usual, std::string& why) {
  for (const std::string& name : path.empty() ? usual : std::vector<std::string>{path}) {
    void* const library = ::dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library != nullptr) return library;
  }
  why = ::dlerror();
  return nullptr;
}

}  // namespace

std::unique_ptr<Library> Library::load(const std::string& ncclPath, const std::string& cudaPath, int device, Failure& failure) {
  const auto refuse = [&](const std::string& what, const std::string& why) {
    failure.set(FailureKind::Library, what + " cannot be loaded (" + why + "): install it, or leave out the option nccl and use shared memory and TCP");
    return nullptr;
  };
  std::string why;
  void* const cuda = open(cudaPath, {"libcudart.so.13", "libcudart.so.12", "libcudart.so.11.0", "libcudart.so"}, why);
  if (cuda == nullptr) return refuse("the CUDA runtime", why);
  void* const nccl = open(ncclPath, {"libnccl.so.2", "libnccl.so"}, why);
  if (nccl == nullptr) return refuse("NCCL", why);
  auto library = std::make_unique<Library>();
  if (!library->bind(nccl, cuda, failure)) return nullptr;
  int count = 0;
  const int result = library->api.getDeviceCount(&count);
  if (result != kCudaSuccess) {
    failure.set(FailureKind::Device, std::string("CUDA finds no device: ") + library->api.cudaErrorString(result));
    return nullptr;
  }
  if (device >= count) {
    failure.set(FailureKind::Device, "there is no CUDA device " + std::to_string(device) + ": this machine has " + std::to_string(count));
    return nullptr;
  }
  return library;
}

bool Library::bind(void* nccl, void* cuda, Failure& failure) {
  const auto find = [&](void* library, const char* name, auto& function, bool isNeeded = true) {
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(::dlsym(library, name));
    if (function != nullptr || !isNeeded || failure) return;
    failure.set(FailureKind::Library, std::string("NCCL and the CUDA runtime that were found cannot be used: there is no function ") + name + "; NCCL 2.7 or later is needed");
  };
  find(nccl, "ncclGetUniqueId", api.getUniqueId);
  find(nccl, "ncclCommInitRank", api.commInitRank);
  find(nccl, "ncclCommInitRankConfig", api.commInitRankConfig, false);
  find(nccl, "ncclCommAbort", api.commAbort);
  find(nccl, "ncclCommGetAsyncError", api.commGetAsyncError);
  find(nccl, "ncclAllReduce", api.allReduce);
  find(nccl, "ncclAllGather", api.allGather);
  find(nccl, "ncclReduceScatter", api.reduceScatter);
  find(nccl, "ncclBroadcast", api.broadcast);
  find(nccl, "ncclSend", api.send);
  find(nccl, "ncclRecv", api.recv);
  find(nccl, "ncclGroupStart", api.groupStart);
  find(nccl, "ncclGroupEnd", api.groupEnd);
  find(nccl, "ncclGetErrorString", api.getErrorString);
  find(cuda, "cudaGetDeviceCount", api.getDeviceCount);
  find(cuda, "cudaSetDevice", api.setDevice);
  find(cuda, "cudaMalloc", api.malloc);
  find(cuda, "cudaFree", api.free);
  find(cuda, "cudaMemcpyAsync", api.memcpyAsync);
  find(cuda, "cudaStreamCreateWithFlags", api.streamCreate);
  find(cuda, "cudaStreamDestroy", api.streamDestroy);
  find(cuda, "cudaStreamQuery", api.streamQuery);
  find(cuda, "cudaGetErrorString", api.cudaErrorString);
  return !failure;
}

}  // namespace mserve::rank::nccl
