#pragma once

#include <cstddef>
#include <cstdint>

/**
 * The part of ONNX Runtime's C ABI that is used here. ONNX Runtime publishes a table of function pointers that only ever
 * grows at its end; the number is the function's place in that table. No header of ONNX Runtime is needed to build.
 */
namespace mserve::ort {

struct Status;
struct Env;
struct Session;
struct SessionOptions;
struct RunOptions;
struct Value;
struct MemoryInfo;
struct Allocator;
struct KeyValues;
struct TypeInfo;
struct TensorInfo;
struct OptionalInfo;
struct ProviderOptions;  // of CUDA, TensorRT or CANN
struct Thread;  // one of a session's own threads, made by us

/** What the library's one exported symbol, OrtGetApiBase, returns. */
struct ApiBase {
  const void* const* (*getApi)(uint32_t version);
  const char* (*getVersionString)();
};

/** Version of the table that is asked for: ONNX Runtime 1.17. */
constexpr uint32_t kApiVersion = 17;
/** From this version (ONNX Runtime 1.18) external data can be given in memory. */
constexpr uint32_t kApiVersionExternalFiles = 18;
/** From this version (ONNX Runtime 1.22) a load can be cancelled. */
constexpr uint32_t kApiVersionLoadCancellation = 22;
/** From this version (ONNX Runtime 1.23) an allocator tells what it holds. */
constexpr uint32_t kApiVersionAllocatorStats = 23;

constexpr int kCodeInvalidArgument = 2;
constexpr int kLogFatal = 4;
constexpr int kDeviceAllocator = 0;
constexpr int kArenaAllocator = 1;
constexpr int kMemoryDefault = 0;
constexpr int kExecutionParallel = 1;
constexpr int kTypeTensor = 1;

#define MSERVE_ORT_FUNCTIONS(F)                                                                                        \
  F(1, getErrorCode, int, (const Status*))                                                                             \
  F(2, getErrorMessage, const char*, (const Status*))                                                                  \
  F(3, createEnv, Status*, (int logSeverity, const char* name, Env**))                                                 \
  F(8, createSessionFromArray, Status*, (const Env*, const void*, size_t, const SessionOptions*, Session**))           \
  F(9, run, Status*,                                                                                                   \
    (Session*, const RunOptions*, const char* const*, const Value* const*, size_t, const char* const*, size_t, Value**)) \
  F(10, createSessionOptions, Status*, (SessionOptions**))                                                             \
  F(13, setExecutionMode, Status*, (SessionOptions*, int))                                                             \
  F(22, setSessionLogSeverity, Status*, (SessionOptions*, int))                                                        \
  F(23, setGraphOptimization, Status*, (SessionOptions*, int))                                                         \
  F(24, setIntraOpThreads, Status*, (SessionOptions*, int))                                                            \
  F(25, setInterOpThreads, Status*, (SessionOptions*, int))                                                            \
  F(30, getInputCount, Status*, (const Session*, size_t*))                                                             \
  F(31, getOutputCount, Status*, (const Session*, size_t*))                                                            \
  F(32, getDefaultCount, Status*, (const Session*, size_t*))                                                           \
  F(33, getInputType, Status*, (const Session*, size_t, TypeInfo**))                                                   \
  F(34, getOutputType, Status*, (const Session*, size_t, TypeInfo**))                                                  \
  F(35, getDefaultType, Status*, (const Session*, size_t, TypeInfo**))                                                 \
  F(36, getInputName, Status*, (const Session*, size_t, Allocator*, char**))                                           \
  F(37, getOutputName, Status*, (const Session*, size_t, Allocator*, char**))                                          \
  F(38, getDefaultName, Status*, (const Session*, size_t, Allocator*, char**))                                         \
  F(39, createRunOptions, Status*, (RunOptions**))                                                                     \
  F(41, setRunLogSeverity, Status*, (RunOptions*, int))                                                                \
  F(46, setTerminate, Status*, (RunOptions*))                                                                          \
  F(47, unsetTerminate, Status*, (RunOptions*))                                                                        \
  F(48, createTensor, Status*, (Allocator*, const int64_t*, size_t, int type, Value**))                                \
  F(49, createTensorWithData, Status*, (const MemoryInfo*, void*, size_t, const int64_t*, size_t, int type, Value**))  \
  F(51, getTensorData, Status*, (Value*, void**))                                                                      \
  F(53, getStringsLength, Status*, (const Value*, size_t*))                                                            \
  F(54, getStrings, Status*, (const Value*, void*, size_t, size_t* offsets, size_t))                                   \
  F(55, castToTensorInfo, Status*, (const TypeInfo*, const TensorInfo**))                                              \
  F(56, getOnnxType, Status*, (const TypeInfo*, int*))                                                                 \
  F(60, getElementType, Status*, (const TensorInfo*, int*))                                                            \
  F(61, getRank, Status*, (const TensorInfo*, size_t*))                                                                \
  F(62, getDims, Status*, (const TensorInfo*, int64_t*, size_t))                                                       \
  F(63, getDimNames, Status*, (const TensorInfo*, const char**, size_t))                                               \
  F(65, getTensorInfo, Status*, (const Value*, TensorInfo**))                                                          \
  F(67, getValueType, Status*, (const Value*, int*))                                                                   \
  F(69, createCpuMemoryInfo, Status*, (int allocatorType, int memoryType, MemoryInfo**))                               \
  F(76, allocatorFree, Status*, (Allocator*, void*))                                                                   \
  F(78, getDefaultAllocator, Status*, (Allocator**))                                                                   \
  F(93, releaseStatus, void, (Status*))                                                                                \
  F(94, releaseMemoryInfo, void, (MemoryInfo*))                                                                        \
  F(95, releaseSession, void, (Session*))                                                                              \
  F(96, releaseValue, void, (Value*))                                                                                  \
  F(97, releaseRunOptions, void, (RunOptions*))                                                                        \
  F(98, releaseTypeInfo, void, (TypeInfo*))                                                                            \
  F(99, releaseTensorInfo, void, (TensorInfo*))                                                                        \
  F(100, releaseSessionOptions, void, (SessionOptions*))                                                               \
  F(130, addSessionConfig, Status*, (SessionOptions*, const char* key, const char* value))                             \
  F(131, createAllocator, Status*, (const Session*, const MemoryInfo*, Allocator**))                                   \
  F(144, registerAllocator, Status*, (Env*, const MemoryInfo*, const void* arenaSettings))                             \
  F(170, appendTensorRt, Status*, (SessionOptions*, const ProviderOptions*))                                           \
  F(171, createTensorRtOptions, Status*, (ProviderOptions**))                                                          \
  F(172, updateTensorRtOptions, Status*, (ProviderOptions*, const char* const* keys, const char* const* values, size_t)) \
  F(174, releaseTensorRtOptions, void, (ProviderOptions*))                                                             \
  F(196, setCreateThread, Status*, (SessionOptions*, Thread* (*create)(void* options, void (*work)(void*), void* argument))) \
  F(197, setThreadOptions, Status*, (SessionOptions*, void* options))                                                  \
  F(198, setJoinThread, Status*, (SessionOptions*, void (*join)(Thread*)))                                             \
  F(204, appendCuda, Status*, (SessionOptions*, const ProviderOptions*))                                               \
  F(205, createCudaOptions, Status*, (ProviderOptions**))                                                              \
  F(206, updateCudaOptions, Status*, (ProviderOptions*, const char* const* keys, const char* const* values, size_t))   \
  F(208, releaseCudaOptions, void, (ProviderOptions*))                                                                 \
  F(210, addExternalInitializers, Status*, (SessionOptions*, const char* const* names, const Value* const*, size_t))   \
  F(220, appendCann, Status*, (SessionOptions*, const ProviderOptions*))                                               \
  F(221, createCannOptions, Status*, (ProviderOptions**))                                                              \
  F(222, updateCannOptions, Status*, (ProviderOptions*, const char* const* keys, const char* const* values, size_t))   \
  F(224, releaseCannOptions, void, (ProviderOptions*))                                                                 \
  F(228, registerOperatorLibrary, Status*, (SessionOptions*, const char* path))                                        \
  F(250, castToOptional, Status*, (const TypeInfo*, const OptionalInfo**))                                             \
  F(251, getContainedType, Status*, (const OptionalInfo*, TypeInfo**))                                                 \
  F(252, getStringBuffer, Status*, (Value*, size_t index, size_t length, char**))

/** Only in tables of kApiVersionExternalFiles and later. */
#define MSERVE_ORT_EXTERNAL_FILES(F) \
  F(279, addExternalFiles, Status*, (SessionOptions*, const char* const* names, char* const* bytes, const size_t* lengths, size_t))

/** Only in tables of kApiVersionLoadCancellation and later. */
#define MSERVE_ORT_LOAD_CANCELLATION(F) F(293, setLoadCancellation, Status*, (SessionOptions*, bool cancel))

/** Only in tables of kApiVersionAllocatorStats and later. */
#define MSERVE_ORT_ALLOCATOR_STATS(F)                                     \
  F(297, getKeyValue, const char*, (const KeyValues*, const char* key))   \
  F(300, releaseKeyValues, void, (KeyValues*))                            \
  F(319, getAllocatorStats, Status*, (const Allocator*, KeyValues**))

/** The functions by name; null where the library has none. */
struct Api {
#define MSERVE_ORT_MEMBER(place, name, result, arguments) result(*name) arguments = nullptr;
  MSERVE_ORT_FUNCTIONS(MSERVE_ORT_MEMBER)
  MSERVE_ORT_EXTERNAL_FILES(MSERVE_ORT_MEMBER)
  MSERVE_ORT_LOAD_CANCELLATION(MSERVE_ORT_MEMBER)
  MSERVE_ORT_ALLOCATOR_STATS(MSERVE_ORT_MEMBER)
#undef MSERVE_ORT_MEMBER
};

}  // namespace mserve::ort
