#include "onnxruntime/ort_diagnosis.h"

#include <cstdint>
#include <string>

#include "onnx/proto_writer.h"

namespace mserve::ort {

namespace {

/** Versions that every ONNX Runtime we take (1.17 and later) knows. */
constexpr int64_t kKnownIr = 8;
constexpr int64_t kKnownOpset = 17;
/** Older opsets have operators that ONNX Runtime does not run. */
constexpr int64_t kOldestOpset = 7;
constexpr size_t kMostNamed = 5;

/** y = x, with these versions. */
std::string tinyModel(int64_t irVersion, const std::string& domain, int64_t opset) {
  const auto opsetOf = [](const std::string& name, int64_t version) {
    std::string entry;
    writeBytes(entry, 1, name);
    writeNumber(entry, 2, static_cast<uint64_t>(version));
    return entry;
  };
  const auto value = [](const char* name) {
    std::string tensor;
    writeNumber(tensor, 1, 1);
    std::string type;
    writeBytes(type, 1, tensor);
    std::string info;
    writeBytes(info, 1, name);
    writeBytes(info, 2, type);
    return info;
  };
  std::string node;
  writeBytes(node, 1, "x");
  writeBytes(node, 2, "y");
  writeBytes(node, 4, "Identity");
  std::string graph;
  writeBytes(graph, 1, node);
  writeBytes(graph, 2, "g");
  writeBytes(graph, 11, value("x"));
  writeBytes(graph, 12, value("y"));
  std::string model;
  writeNumber(model, 1, static_cast<uint64_t>(irVersion));
  writeBytes(model, 7, graph);
  writeBytes(model, 8, opsetOf(domain, opset));
  if (!domain.empty()) writeBytes(model, 8, opsetOf("", kKnownOpset));
  return model;
}

bool loads(const Library& library, const std::string& model) {
  Failure ignored;
  OwnedSessionOptions options(library);
  OwnedSession session(library);
  return library.check(library.api.createSessionOptions(options.out()), FailureKind::Load, ignored) &&
         library.check(library.api.setSessionLogSeverity(options.get(), kLogFatal), FailureKind::Load, ignored) &&
         library.check(library.api.createSessionFromArray(library.env, model.data(), model.size(), options.get(), session.out()), FailureKind::Load, ignored);
}

/** The highest version below `tooNew` that a model can have; 0 when `known` fails, too. */
template <typename MakeModel>
int64_t highest(const Library& library, int64_t known, int64_t tooNew, MakeModel makeModel) {
  if (!loads(library, makeModel(known))) return 0;
  while (tooNew - known > 1) {
    const int64_t middle = known + (tooNew - known) / 2;
    (loads(library, makeModel(middle)) ? known : tooNew) = middle;
  }
  return known;
}

std::string explainIr(const Library& library, const ModelScan& scan) {
  const auto withIr = [](int64_t version) { return tinyModel(version, "", kKnownOpset); };
  if (scan.irVersion <= kKnownIr || loads(library, withIr(scan.irVersion))) return {};
  const std::string most = std::to_string(highest(library, kKnownIr, scan.irVersion, withIr));
  return "the file has IR version " + std::to_string(scan.irVersion) + ", ONNX Runtime " + library.version + " knows up to " + most +
         ": set model.ir_version = " + most + " with the Python package onnx and save it again, or export it with an older onnx";
}

std::string explainOpset(const Library& library, const OpsetImport& opset) {
  const std::string domain = opset.domain == "ai.onnx" ? "" : opset.domain;
  const std::string named = domain.empty() ? "opset " + std::to_string(opset.version) : "opset " + std::to_string(opset.version) + " of domain " + domain;
  if (domain.empty() && opset.version < kOldestOpset) {
    return "the file has " + named + ", ONNX Runtime " + library.version + " runs operators from opset " + std::to_string(kOldestOpset) +
           " on: export it with a newer one, or convert it (onnx.version_converter.convert_version(model, " + std::to_string(kKnownOpset) + "))";
  }
  const int64_t known = domain.empty() ? kKnownOpset : 1;
  const auto withOpset = [&](int64_t version) { return tinyModel(kKnownIr, domain, version); };
  if (opset.version <= known || loads(library, withOpset(opset.version))) return {};
  const int64_t most = highest(library, known, opset.version, withOpset);
  if (most == 0) return {};
  return "the file has " + named + ", ONNX Runtime " + library.version + " knows up to " + std::to_string(most) + ": export it with " +
         (domain.empty() ? "opset_version=" + std::to_string(most) + ", or convert it (onnx.version_converter.convert_version(model, " + std::to_string(most) + "))"
                         : "an older one (target_opset={'" + domain + "': " + std::to_string(most) + "} of the exporter)");
}

std::string explainOperators(const ModelScan& scan) {
  std::string names;
  size_t count = 0;
  for (const std::string& name : scan.foreignOperators) {
    if (++count <= kMostNamed) names += (names.empty() ? "" : ", ") + name.substr(0, 200);
  }
  if (count == 0) return {};
  if (count > kMostNamed) names += " and " + std::to_string(count - kMostNamed) + " more";
  return "the file uses " + std::string(count == 1 ? "an operator" : "operators") +
         " of an operator library: " + names + ". Name the library that has " + (count == 1 ? "it" : "them") +
         " in the setting operatorLibraries (for ai.onnx.contrib that of onnxruntime-extensions)";
}

}  // namespace

void explainLoadFailure(const Library& library, const ModelScan& scan, Failure& failure) {
  std::string text = explainIr(library, scan);
  for (const OpsetImport& opset : scan.opsets) {
    if (text.empty()) text = explainOpset(library, opset);
  }
  if (!scan.hasGraph)
    text = "the file holds no graph: it is no ONNX model";
  else if (text.empty() && scan.opsets.empty())
    text = "the file names no opset, as files before IR version 3 (2017) do not: export the model again";
  if (text.empty()) text = explainOperators(scan);
  if (!text.empty()) failure.message = text + ". ONNX Runtime says: " + failure.message;
}

}  // namespace mserve::ort
