#pragma once

#include <cstddef>

#include "element_type.h"
#include "rank/reduction.h"

/**
 * What is used of NCCL's C interface (2.7 and later: send and receive) and of the CUDA runtime's, in declarations of our own: both are loaded at run time, nothing of
 * them is needed to build. The forms have been the same over all versions since.
 */
namespace mserve::rank::nccl {

struct UniqueId {
  char bytes[128];
};
struct Comm;
struct Stream;

enum Result : int { kSuccess = 0, kInProgress = 7 };
enum CudaResult : int { kCudaSuccess = 0, kCudaNotReady = 600 };
enum CopyKind : int { kHostToDevice = 1, kDeviceToHost = 2 };
constexpr unsigned kStreamNonBlocking = 1;

/** As of 2.14, which later versions take too: they look at size and version. */
struct Config {
  size_t size = sizeof(Config);
  unsigned magic = 0xcafebeef;
  unsigned version = 21400;
  int blocking = 0;
};

struct Api {
  int (*getUniqueId)(UniqueId*);
  int (*commInitRank)(Comm**, int size, UniqueId, int rank);
  int (*commInitRankConfig)(Comm**, int size, UniqueId, int rank, Config*);  // null before 2.14
  int (*commAbort)(Comm*);
  int (*commGetAsyncError)(Comm*, int*);
  int (*allReduce)(const void*, void*, size_t, int type, int reduction, Comm*, Stream*);
  int (*allGather)(const void*, void*, size_t, int type, Comm*, Stream*);
  int (*reduceScatter)(const void*, void*, size_t, int type, int reduction, Comm*, Stream*);
  int (*broadcast)(const void*, void*, size_t, int type, int root, Comm*, Stream*);
  int (*send)(const void*, size_t, int type, int peer, Comm*, Stream*);
  int (*recv)(void*, size_t, int type, int peer, Comm*, Stream*);
  int (*groupStart)();
  int (*groupEnd)();
  const char* (*getErrorString)(int);

  int (*getDeviceCount)(int*);
  int (*setDevice)(int);
  int (*malloc)(void**, size_t);
  int (*free)(void*);
  int (*memcpyAsync)(void*, const void*, size_t, int kind, Stream*);
  int (*streamCreate)(Stream**, unsigned flags);
  int (*streamDestroy)(Stream*);
  int (*streamQuery)(Stream*);
  const char* (*cudaErrorString)(int);
};

/** ncclDataType_t; -1: NCCL has no such type. */
constexpr int typeOf(ElementType type) {
  switch (type) {
    case ElementType::Int8:
      return 0;
    case ElementType::Uint8:
      return 1;
    case ElementType::Int32:
      return 2;
    case ElementType::Uint32:
      return 3;
    case ElementType::Int64:
      return 4;
    case ElementType::Uint64:
      return 5;
    case ElementType::Float16:
      return 6;
    case ElementType::Float32:
      return 7;
    case ElementType::Float64:
      return 8;
    case ElementType::Bfloat16:
      return 9;
    default:
      return -1;
  }
}
constexpr int kBytes = 1;  // as uint8

/** ncclRedOp_t. */
constexpr int operationOf(Reduction reduction) {
  switch (reduction) {
    case Reduction::Sum:
      return 0;
    case Reduction::Prod:
      return 1;
    case Reduction::Max:
      return 2;
    case Reduction::Min:
      return 3;
  }
  return -1;
}

}  // namespace mserve::rank::nccl
