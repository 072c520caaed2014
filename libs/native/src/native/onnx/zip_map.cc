#include "onnx/zip_map.h"

#include <iterator>
#include <map>
#include <vector>

#include "onnx/proto_fields.h"
#include "onnx/proto_writer.h"

namespace mserve {

namespace {

// Fields of ModelProto, GraphProto, NodeProto and ValueInfoProto
constexpr uint32_t kOpset = 8;
constexpr uint32_t kGraph = 7;
constexpr uint32_t kNode = 1;
constexpr uint32_t kOutput = 12;
constexpr uint32_t kValueInfo = 13;
/** Any opset that has Identity, for models that name none of the standard operators. */
constexpr uint64_t kOpsetOfIdentity = 13;

struct NodeHead {
  std::string_view op;
  std::string_view domain;
  std::vector<std::string_view> inputs;
  std::string_view output;
};

NodeHead readNode(std::string_view bytes) {
  NodeHead head;
  Fields node(bytes);
  while (node.next()) {
    if (!node.isBytes) continue;
    if (node.field == 1) head.inputs.push_back(node.bytes);
    if (node.field == 2) head.output = node.bytes;
    if (node.field == 4) head.op = node.bytes;
    if (node.field == 7) head.domain = node.bytes;
  }
  return head;
}

std::string_view nameOf(std::string_view valueInfo) {
  std::string_view name;
  Fields fields(valueInfo);
  while (fields.next()) {
    if (fields.isBytes && fields.field == 1) name = fields.bytes;
  }
  return name;
}

bool isZipMap(const NodeHead& node) { return node.op == "ZipMap" && node.domain == "ai.onnx.ml" && node.inputs.size() == 1; }

/** By output name the input of each ZipMap that gives an output of the graph and nothing else. */
std::map<std::string_view, std::string_view> zipMapsOf(std::string_view graph) {
  std::map<std::string_view, std::string_view> zipMaps;
  std::set<std::string_view> taken;
  std::set<std::string_view> outputs;
  Fields fields(graph);
  while (fields.next()) {
    if (!fields.isBytes) continue;
    if (fields.field == kOutput) outputs.insert(nameOf(fields.bytes));
    if (fields.field != kNode) continue;
    const NodeHead node = readNode(fields.bytes);
    taken.insert(node.inputs.begin(), node.inputs.end());
    if (isZipMap(node)) zipMaps.emplace(node.output, node.inputs[0]);
  }
  for (auto it = zipMaps.begin(); it != zipMaps.end();) {
    const bool isOutput = outputs.count(it->first) > 0 && taken.count(it->first) == 0;
    it = isOutput ? std::next(it) : zipMaps.erase(it);
  }
  return zipMaps;
}

std::string identityNode(std::string_view input, std::string_view output) {
  std::string node;
  writeBytes(node, 1, input);
  writeBytes(node, 2, output);
  writeBytes(node, 4, "Identity");
  return node;
}

/** Without a shape: the runtime infers it. */
std::string floatOutput(std::string_view name) {
  std::string tensor;
  writeNumber(tensor, 1, 1);  // elem_type: FLOAT, what a ZipMap takes
  std::string type;
  writeBytes(type, 1, tensor);
  std::string info;
  writeBytes(info, 1, name);
  writeBytes(info, 2, type);
  return info;
}

std::string rewriteGraph(std::string_view graph, const std::map<std::string_view, std::string_view>& zipMaps) {
  std::string result;
  result.reserve(graph.size());
  Fields fields(graph);
  while (fields.next()) {
    if (fields.isBytes && fields.field == kNode) {
      const NodeHead node = readNode(fields.bytes);
      const auto found = isZipMap(node) ? zipMaps.find(node.output) : zipMaps.end();
      if (found != zipMaps.end()) {
        writeBytes(result, kNode, identityNode(found->second, found->first));
        continue;
      }
    } else if (fields.isBytes && (fields.field == kOutput || fields.field == kValueInfo)) {
      const auto found = zipMaps.find(nameOf(fields.bytes));
      if (found != zipMaps.end()) {
        if (fields.field == kOutput) writeBytes(result, kOutput, floatOutput(found->first));
        continue;
      }
    }
    result.append(fields.whole);
  }
  return result;
}

bool isStandardOpset(std::string_view opset) {
  std::string_view domain;
  Fields fields(opset);
  while (fields.next()) {
    if (fields.isBytes && fields.field == 1) domain = fields.bytes;
  }
  return domain.empty() || domain == "ai.onnx";
}

}  // namespace

std::set<std::string> unzipMaps(std::string_view model, std::string& rewritten) {
  std::map<std::string_view, std::string_view> zipMaps;
  bool hasStandardOpset = false;
  Fields look(model);
  while (look.next()) {
    if (!look.isBytes) continue;
    if (look.field == kGraph) zipMaps = zipMapsOf(look.bytes);
    if (look.field == kOpset) hasStandardOpset = hasStandardOpset || isStandardOpset(look.bytes);
  }
  if (zipMaps.empty()) return {};
  rewritten.reserve(model.size());
  Fields fields(model);
  while (fields.next()) {
    if (fields.isBytes && fields.field == kGraph) writeBytes(rewritten, kGraph, rewriteGraph(fields.bytes, zipMaps));
    else rewritten.append(fields.whole);
  }
  if (!hasStandardOpset) {
    std::string opset;
    writeNumber(opset, 2, kOpsetOfIdentity);
    writeBytes(rewritten, kOpset, opset);
  }
  std::set<std::string> names;
  for (const auto& [output, input] : zipMaps) names.emplace(output);
  return names;
}

}  // namespace mserve
