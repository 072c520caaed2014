#pragma once

#include <memory>
#include <string>

#include "failure.h"
#include "rank/nccl/nccl_abi.h"

namespace mserve::rank::nccl {

/** NCCL and the CUDA runtime of this machine. Never unloaded: threads of theirs may be running. */
class Library {
 public:
  /** Paths: '' for the names that these libraries usually have. Null: `failure` (Library, Device). */
  static std::unique_ptr<Library> load(const std::string& ncclPath, const std::string& cudaPath, int device, Failure& failure);

  Api api = {};

 private:
  bool bind(void* nccl, void* cuda, Failure& failure);
};

}  // namespace mserve::rank::nccl
