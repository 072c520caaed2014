#include "onnxruntime/ort_session.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <string_view>

#include "onnx/external_data.h"
#include "onnx/zip_map.h"
#include "onnxruntime/ort_diagnosis.h"
#include "onnxruntime/ort_lane.h"
#include "onnxruntime/ort_providers.h"
#include "onnxruntime/ort_threads.h"

namespace mserve::ort {

namespace {

/** ONNX Runtime's own mark for "this address of the process": never right in a model from outside. */
bool isMemoryAddress(const std::string& location) { return location.find("_ORT_MEM_ADDR_") != std::string::npos; }

/** Threads of a pool that as many sessions use as each would have: one of a run's threads is always the session's own. */
int poolThreads(int ofOneRun, int sharedBy) { return ofOneRun <= 1 ? ofOneRun : (ofOneRun - 1) * sharedBy + 1; }

}  // namespace

bool OrtSession::load(const OpenRequest& request, LoadCancellation& cancellation, Failure& failure) {
  DivisionTraps traps;  // graphs are checked and constants computed while a model is loaded
  const DivisionGuard guard(traps);
  MappedFile modelFile;
  const uint8_t* model = request.modelBytes;
  size_t length = request.modelLength;
  if (model == nullptr) {
    if (!modelFile.openModel(request.modelPath, request.refuseLinks, request.linkRoots, failure)) return false;
    model = modelFile.bytes();
    length = modelFile.length();
  }
  OwnedSessionOptions options(library_);
  if (!library_.check(library_.api.createSessionOptions(options.out()), FailureKind::Load, failure)) return false;
  std::vector<MappedFile> externalFiles;  // needed until the session is made
  std::string unzipped;                   // the model, when outputs were made tensors
  std::string rewritten;                  // the model, when external data was put into it
  if (!scanModel(model, length, scan_, failure)) return false;
  if (scan_.hasClassicOperators) unzipped_ = unzipMaps({reinterpret_cast<const char*>(model), length}, unzipped);
  if (!unzipped.empty()) {
    model = reinterpret_cast<const uint8_t*>(unzipped.data());
    length = unzipped.size();
  }
  if (!configure(request, options.get(), failure) || !addOperators(request, options.get(), failure) ||
      !addInitializers(request, options.get(), failure) || !addExternalData(request, {model, length}, options.get(), externalFiles, rewritten, failure)) {
    return false;
  }
  if (!rewritten.empty()) {
    model = reinterpret_cast<const uint8_t*>(rewritten.data());
    length = rewritten.size();
  }
  if (library_.api.setLoadCancellation != nullptr) {
    cancellation.arm([&] {
      Failure ignored;
      library_.check(library_.api.setLoadCancellation(options.get(), true), FailureKind::Load, ignored);
    });
  }
  Status* status = library_.api.createSessionFromArray(library_.env, model, length, options.get(), session_.out());
  cancellation.disarm();
  const bool isCreated = library_.check(status, FailureKind::Load, failure);
  if (traps.count() + poolTraps_.count() > 0) failure.set(FailureKind::Load, "the model divides an integer by zero while it is being loaded");
  if (!isCreated) explainLoadFailure(library_, scan_, failure);
  if (!isCreated || failure) return false;
  library_.findArena(session_.get());
  if (!describeSession(library_, session_.get(), scan_, description_, failure)) return false;
  for (ValueDescription& output : description_.outputs) output.isUnzipped = unzipped_.count(output.name) > 0;
  for (const ValueDescription& input : description_.inputs) inputNames_.push_back(input.name.c_str());
  for (const ValueDescription& input : description_.defaults) defaultNames_.push_back(input.name.c_str());
  for (const ValueDescription& output : description_.outputs) outputNames_.push_back(output.name.c_str());
  return true;
}

bool OrtSession::configure(const OpenRequest& request, SessionOptions* options, Failure& failure) {
  hasPools_ = request.intraOpThreads != 1 || request.interOpThreads != 1;
  const Api& api = library_.api;
  const auto check = [&](Status* status) { return library_.check(status, FailureKind::Load, failure); };
  if (!check(api.setSessionLogSeverity(options, kLogFatal)) || !check(api.setIntraOpThreads(options, poolThreads(request.intraOpThreads, request.sharedBy))) ||
      !check(api.setInterOpThreads(options, poolThreads(request.interOpThreads, request.sharedBy))) ||
      !check(api.setGraphOptimization(options, request.graphOptimization)) || !guardPoolThreads(library_, options, poolTraps_, failure)) {
    return false;
  }
  if (request.interOpThreads > 1 && !check(api.setExecutionMode(options, kExecutionParallel))) return false;
  if (!request.disabledOptimizers.empty() &&
      !check(api.addSessionConfig(options, "optimization.disable_specified_optimizers", request.disabledOptimizers.c_str()))) {
    return false;
  }
  if (!useDevice(library_, request.device, options, failure)) return false;
  // Never guess the format from the bytes: only ONNX was scanned for external data.
  return check(api.addSessionConfig(options, "session.load_model_format", "ONNX")) &&
         // Weights beside the arena: its chunks grow by doubling, which would waste up to the size of the weights.
         check(api.addSessionConfig(options, "session.use_device_allocator_for_initializers", "1")) &&
         check(api.addSessionConfig(options, "session.use_env_allocators", "1")) &&  // see Library::shareArena
         // Intra-op threads spin while a run is going on, not between runs: others share these cores.
         check(api.addSessionConfig(options, "session.force_spinning_stop", "1"));
}

bool OrtSession::addOperators(const OpenRequest& request, SessionOptions* options, Failure& failure) {
  for (const std::string& path : request.operatorLibraries) {
    if (library_.check(library_.api.registerOperatorLibrary(options, path.c_str()), FailureKind::Load, failure)) continue;
    failure.message = "the operator library '" + path + "' cannot be used: " + failure.message;
    return false;
  }
  return true;
}

bool OrtSession::addInitializers(const OpenRequest& request, SessionOptions* options, Failure& failure) {
  if (request.initializers.empty()) return true;
  std::vector<const char*> names;
  std::vector<const Value*> values;
  for (const Initializer& initializer : request.initializers) {
    static uint64_t nothing = 0;
    void* bytes = initializer.byteLength == 0 ? &nothing : initializer.bytes;
    OwnedValue value(library_);
    Status* status =
        library_.api.createTensorWithData(library_.cpuMemory, bytes, initializer.byteLength, initializer.dims.data(),
                                          initializer.dims.size(), static_cast<int>(initializer.type), value.out());
    if (!library_.check(status, FailureKind::Load, failure)) {
      failure.message = "initializer \"" + initializer.name + "\": " + failure.message;
      return false;
    }
    names.push_back(initializer.name.c_str());
    values.push_back(value.get());
    initializers_.push_back(std::move(value));
  }
  return library_.check(library_.api.addExternalInitializers(options, names.data(), values.data(), values.size()), FailureKind::Load,
                        failure);
}

/**
 * Opens every file that the model refers to under our own rules and hands ONNX Runtime the bytes: it opens no file itself,
 * so nothing can change between check and use.
 */
bool OrtSession::addExternalData(const OpenRequest& request, ModelBytes model, SessionOptions* options, std::vector<MappedFile>& files,
                                 std::string& rewritten, Failure& failure) {
  std::set<std::string> given;
  for (const Initializer& initializer : request.initializers) given.insert(initializer.name);
  std::set<std::string> locations;
  for (const ExternalReference& reference : scan_.references) {
    if (isMemoryAddress(reference.location)) {
      failure.set(FailureKind::Load, "tensor \"" + reference.tensor + "\" refers to memory of the process, which is refused");
      return false;
    }
    if (reference.isInitializer && given.count(reference.tensor) > 0) continue;
    if (!isAllowedLocation(reference.location, failure)) return false;
    locations.insert(tidyLocation(reference.location));
  }
  if (locations.empty()) return true;
  const std::string folder =
      request.modelBytes != nullptr || !request.externalFolder.empty() ? request.externalFolder : folderOf(request.modelPath);
  if (folder.empty()) {
    failure.set(FailureKind::Load, "the model keeps data in another file (\"" + locations.begin()->substr(0, 200) +
                                       "\"): load it by path, or name the folder (externalFolder)");
    return false;
  }
  if (library_.api.addExternalFiles == nullptr) {
    failure.set(FailureKind::Library, "models with external data need ONNX Runtime 1.18 or later");
    return false;
  }
  std::vector<const char*> names;
  std::vector<char*> bytes;
  std::vector<size_t> lengths;
  for (const std::string& location : locations) {
    MappedFile file;
    if (!file.openExternal(folder, location, request.linkRoots, failure)) return false;
    names.push_back(location.c_str());
    bytes.push_back(reinterpret_cast<char*>(const_cast<uint8_t*>(file.bytes())));
    lengths.push_back(file.length());
    files.push_back(std::move(file));
  }
  const auto bytesOf = [&](const std::string& location, const std::string& initializer) -> std::string_view {
    const auto found = std::find(locations.begin(), locations.end(), location);
    if (found == locations.end() || (!initializer.empty() && given.count(initializer) > 0)) return {};
    const MappedFile& file = files[static_cast<size_t>(std::distance(locations.begin(), found))];
    return {reinterpret_cast<const char*>(file.bytes()), file.length()};
  };
  if (!inlineExternalData(model.bytes, model.length, bytesOf, rewritten, failure)) return false;
  Status* status = library_.api.addExternalFiles(options, names.data(), bytes.data(), lengths.data(), names.size());
  return library_.check(status, FailureKind::Load, failure);
}

std::unique_ptr<Lane> OrtSession::createLane(Failure& failure) {
  auto lane = std::make_unique<OrtLane>(*this);
  if (!lane->prepare(failure)) return nullptr;
  return lane;
}

}  // namespace mserve::ort
