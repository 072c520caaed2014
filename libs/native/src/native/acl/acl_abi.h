#pragma once

#include <cstddef>
#include <cstdint>

/**
 * The part of AscendCL's C ABI that is used here, in our own declarations. The same in all versions from 1.0 (2021) to 1.17 (2026); no header or
 * library of the vendor is needed to build.
 */
namespace mserve::acl {

using Error = int;
using Context = void*;
struct DataBuffer;
struct Dataset;
struct ModelDescription;

constexpr size_t kMaxDims = 128;

struct Dims {
  char name[128];
  size_t count;  // 0: a scalar
  int64_t dims[kMaxDims];  // -1: decided at run time
};
static_assert(sizeof(Dims) == 1160);

/** The batch sizes that a model was compiled for; count 0: a static model. */
struct Gears {
  size_t count;
  uint64_t batches[128];
};
static_assert(sizeof(Gears) == 1032);

struct ImageGears {
  size_t count;
  uint64_t sizes[128][2];
};
static_assert(sizeof(ImageGears) == 2056);

constexpr Error kRepeatedInitialize = 100002;
constexpr Error kStubLibrary = 100039;
constexpr Error kModelPathInvalid = 145002;
constexpr int kHostToDevice = 1;
constexpr int kDeviceToHost = 2;
constexpr int kHugePagesFirst = 0;

/** Inputs that the compiler adds; users neither see nor fill them. */
constexpr const char* kGearInput = "ascend_mbatch_shape_data";
constexpr const char* kAippInput = "ascend_dynamic_aipp_data";

/** In every version. */
#define MSERVE_ACL_FUNCTIONS(F)                                                             \
  F(aclInit, Error, (const char* configPath))                                               \
  F(aclFinalize, Error, ())                                                                 \
  F(aclrtGetDeviceCount, Error, (uint32_t*))                                                \
  F(aclrtSetDevice, Error, (int32_t))                                                       \
  F(aclrtResetDevice, Error, (int32_t))                                                     \
  F(aclrtCreateContext, Error, (Context*, int32_t device))                                  \
  F(aclrtDestroyContext, Error, (Context))                                                  \
  F(aclrtSetCurrentContext, Error, (Context))                                               \
  F(aclrtMalloc, Error, (void**, size_t, int policy))                                       \
  F(aclrtFree, Error, (void*))                                                              \
  F(aclrtMemcpy, Error, (void* to, size_t capacity, const void* from, size_t, int kind))    \
  F(aclrtMemset, Error, (void*, size_t capacity, int32_t value, size_t))                    \
  F(aclmdlLoadFromFile, Error, (const char* path, uint32_t* model))                         \
  F(aclmdlUnload, Error, (uint32_t model))                                                  \
  F(aclmdlCreateDesc, ModelDescription*, ())                                                \
  F(aclmdlDestroyDesc, Error, (ModelDescription*))                                          \
  F(aclmdlGetDesc, Error, (ModelDescription*, uint32_t model))                              \
  F(aclmdlGetNumInputs, size_t, (ModelDescription*))                                        \
  F(aclmdlGetNumOutputs, size_t, (ModelDescription*))                                       \
  F(aclmdlGetInputSizeByIndex, size_t, (ModelDescription*, size_t))                         \
  F(aclmdlGetOutputSizeByIndex, size_t, (ModelDescription*, size_t))                        \
  F(aclmdlGetInputDimsV2, Error, (const ModelDescription*, size_t, Dims*))                  \
  F(aclmdlGetOutputDims, Error, (const ModelDescription*, size_t, Dims*))                   \
  F(aclmdlGetCurOutputDims, Error, (const ModelDescription*, size_t, Dims*))                \
  F(aclmdlGetInputNameByIndex, const char*, (const ModelDescription*, size_t))              \
  F(aclmdlGetOutputNameByIndex, const char*, (const ModelDescription*, size_t))             \
  F(aclmdlGetInputDataType, int, (const ModelDescription*, size_t))                         \
  F(aclmdlGetOutputDataType, int, (const ModelDescription*, size_t))                        \
  F(aclmdlGetDynamicBatch, Error, (const ModelDescription*, Gears*))                        \
  F(aclmdlGetDynamicHW, Error, (const ModelDescription*, size_t, ImageGears*))              \
  F(aclmdlSetDynamicBatchSize, Error, (uint32_t model, Dataset*, size_t index, uint64_t))   \
  F(aclCreateDataBuffer, DataBuffer*, (void*, size_t))                                      \
  F(aclDestroyDataBuffer, Error, (const DataBuffer*))                                       \
  F(aclmdlCreateDataset, Dataset*, ())                                                      \
  F(aclmdlAddDatasetBuffer, Error, (Dataset*, DataBuffer*))                                 \
  F(aclmdlDestroyDataset, Error, (const Dataset*))                                          \
  F(aclmdlExecute, Error, (uint32_t model, const Dataset* inputs, Dataset* outputs))

/** Null in older versions. */
#define MSERVE_ACL_LATER_FUNCTIONS(F)          \
  F(aclGetRecentErrMsg, const char*, ())       \
  F(aclrtGetSocName, const char*, ())          \
  F(aclrtGetVersion, Error, (int32_t* major, int32_t* minor, int32_t* patch))

/** The functions, by the names that the library exports. */
struct Api {
#define MSERVE_ACL_MEMBER(name, result, arguments) result(*name) arguments = nullptr;
  MSERVE_ACL_FUNCTIONS(MSERVE_ACL_MEMBER)
  MSERVE_ACL_LATER_FUNCTIONS(MSERVE_ACL_MEMBER)
#undef MSERVE_ACL_MEMBER
};

}  // namespace mserve::acl
