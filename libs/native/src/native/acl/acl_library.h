#pragma once

#include <mutex>
#include <string>

#include "acl/acl_abi.h"
#include "failure.h"

namespace mserve::acl {

/** AscendCL, loaded at first use and never unloaded: it owns threads. Initialized while a device is in use, and until end(). */
class Library {
 public:
  /**
   * The library of this process, loaded and initialized. Looked for at $ACL_LIBRARY, else as libascendcl.so, else as libacl_rt.so with libacl_mdl.so, on the loader's path and then
   * in $ASCEND_HOME_PATH/lib64. Null and a failure of kind Library when there is none; it is tried again at the next call.
   */
  static const Library* use(Failure& failure);
  /** Whether use() would find a library. Loads it, but does not initialize it. */
  static bool isInstalled(Failure& failure);
  /** Takes back a successful use(). */
  static void release();
  /** The process ends: finalizes AscendCL, unless it is in use or somebody else initialized it. */
  static void end();

  Api api;
  /** True when the code is 0; else the failure is `kind` with what was done, the code and the device's own message. A lost device is told by its code. */
  bool check(Error code, const char* what, FailureKind kind, Failure& failure) const;
};

}  // namespace mserve::acl
