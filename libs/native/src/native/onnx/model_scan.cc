#include "onnx/model_scan.h"

#include <string_view>
#include <unordered_set>

#include "onnx/proto_fields.h"

namespace mserve {

namespace {

constexpr size_t kMaxReferences = 1 << 20;
constexpr size_t kMaxOpsets = 1000;
/** Functions of the file are looked up among them, so it may not be few. */
constexpr size_t kMaxForeign = 1 << 16;

/** From which input on the values of this operator's inputs are sizes or counts; -1 = none are. */
int firstSizeInput(std::string_view op) {
  static const std::unordered_set<std::string_view> fromFirst = {"ConstantOfShape", "Range", "SequenceAt", "RandomNormal"};
  static const std::unordered_set<std::string_view> fromSecond = {"Expand", "Tile", "Pad", "Resize", "Upsample", "OneHot", "MaxUnpool",
                                                                 "NonMaxSuppression", "Col2Im", "DFT", "AffineGrid"};
  if (fromFirst.count(op) > 0) return 0;
  return fromSecond.count(op) > 0 ? 1 : -1;
}

/** Domains of operators that come with ONNX Runtime. */
bool isKnownDomain(std::string_view domain) {
  static const std::unordered_set<std::string_view> known = {"", "ai.onnx", "ai.onnx.ml", "ai.onnx.training", "ai.onnx.preview.training", "ai.onnx.preview"};
  return known.count(domain) > 0 || domain.substr(0, 14) == "com.microsoft." || domain == "com.microsoft" || domain.substr(0, 10) == "com.ms.int";
}

bool isControlFlow(std::string_view op) { return op == "Loop" || op == "Scan" || op == "If" || op == "SequenceMap"; }

/** One walk over a model. Names are views into its bytes. */
class Scanner {
 public:
  explicit Scanner(ModelScan& scan) : scan_(scan) {}

  bool visit(Message message, std::string_view bytes, int depth, bool isMainGraph) {
    if (depth > kMaxDepth) return false;
    if (message == Message::Node && !readNode(bytes)) return false;
    if (isMainGraph) scan_.hasGraph = true;
    if (isMainGraph && !readValues(bytes)) return false;
    if (message == Message::Model && !readVersions(bytes)) return false;
    if (message == Message::Function && !readFunction(bytes)) return false;
    Fields fields(bytes);
    while (fields.next()) {
      const Message child = fields.isBytes ? childOf(message, fields.field) : Message::None;
      if (child == Message::None) continue;
      const bool ok = child == Message::Tensor
                          ? readTensor(fields.bytes, message == Message::Graph, isMainGraph)
                          : visit(child, fields.bytes, depth + 1, message == Message::Model && fields.field == 7);
      if (!ok) return false;
    }
    return fields.ok();
  }

  void finish() {
    for (std::string_view name : sizeInputs_) {
      if (constants_.count(name) == 0) scan_.hasOpenEndedCost = true;
    }
    for (const std::string& name : functions_) scan_.foreignOperators.erase(name);
  }

 private:
  bool readVersions(std::string_view model) {
    Fields fields(model);
    while (fields.next()) {
      if (!fields.isBytes && fields.field == 1) scan_.irVersion = static_cast<int64_t>(fields.number);
      if (!fields.isBytes || fields.field != 8) continue;
      if (scan_.opsets.size() >= kMaxOpsets) return false;
      OpsetImport& opset = scan_.opsets.emplace_back();
      Fields entry(fields.bytes);
      while (entry.next()) {
        if (entry.isBytes && entry.field == 1) opset.domain = entry.bytes;
        if (!entry.isBytes && entry.field == 2) opset.version = static_cast<int64_t>(entry.number);
      }
      if (!entry.ok()) return false;
    }
    return fields.ok();
  }

  bool readFunction(std::string_view bytes) {
    std::string_view name;
    std::string_view domain;
    Fields fields(bytes);
    while (fields.next()) {
      if (fields.isBytes && fields.field == 1) name = fields.bytes;
      if (fields.isBytes && fields.field == 10) domain = fields.bytes;
    }
    functions_.push_back(operatorText(name, domain));
    return fields.ok();
  }

  static std::string operatorText(std::string_view name, std::string_view domain) { return std::string(name) + " of domain " + std::string(domain); }

  bool readValues(std::string_view graph) {
    Fields fields(graph);
    while (fields.next()) {
      if (!fields.isBytes || (fields.field != 11 && fields.field != 12)) continue;
      std::vector<DeclaredValue>& values = fields.field == 11 ? scan_.inputs : scan_.outputs;
      if (values.size() >= kMaxReferences || !readValue(fields.bytes, values.emplace_back())) return false;
    }
    return fields.ok();
  }

  /** ValueInfoProto: its type is in field 2, of that the tensor in 1, of that the shape in 2. */
  static bool readValue(std::string_view bytes, DeclaredValue& value) {
    Fields info(bytes);
    while (info.next()) {
      if (info.isBytes && info.field == 1) value.name = info.bytes;
      if (!info.isBytes || info.field != 2) continue;
      Fields type(info.bytes);
      while (type.next()) {
        if (!type.isBytes || type.field != 1) continue;
        Fields tensor(type.bytes);
        while (tensor.next()) value.hasShape = value.hasShape || (tensor.isBytes && tensor.field == 2);
        if (!tensor.ok()) return false;
      }
      if (!type.ok()) return false;
    }
    return info.ok();
  }

  bool readNode(std::string_view bytes) {
    std::string_view op;
    std::string_view domain;
    std::string_view firstOutput;
    std::vector<std::string_view> inputs;
    Fields node(bytes);
    while (node.next()) {
      if (!node.isBytes) continue;
      if (node.field == 1) inputs.push_back(node.bytes);
      if (node.field == 2 && firstOutput.empty()) firstOutput = node.bytes;
      if (node.field == 4) op = node.bytes;
      if (node.field == 7) domain = node.bytes;
    }
    if (isControlFlow(op) || !(domain.empty() || domain == "ai.onnx" || domain == "ai.onnx.ml")) scan_.hasOpenEndedCost = true;
    if (domain == "ai.onnx.ml") scan_.hasClassicOperators = true;
    if (!isKnownDomain(domain) && scan_.foreignOperators.size() < kMaxForeign) scan_.foreignOperators.insert(operatorText(op, domain));
    if (op == "Constant") constants_.insert(firstOutput);
    const int first = firstSizeInput(op);
    for (size_t i = 0; first >= 0 && i < inputs.size(); i++) {
      if (static_cast<int>(i) >= first && !inputs[i].empty()) sizeInputs_.push_back(inputs[i]);
    }
    return node.ok();
  }

  bool readTensor(std::string_view bytes, bool isInitializer, bool isMainGraph) {
    std::vector<ExternalReference>& found = scan_.references;
    const size_t first = found.size();
    std::string_view name;
    Fields tensor(bytes);
    while (tensor.next()) {
      if (tensor.isBytes && tensor.field == 8) name = tensor.bytes;
      if (!tensor.isBytes || tensor.field != 13) continue;
      std::string_view key;
      std::string_view value;
      Fields entry(tensor.bytes);
      while (entry.next()) {
        if (entry.isBytes && entry.field == 1) key = entry.bytes;
        if (entry.isBytes && entry.field == 2) value = entry.bytes;
      }
      if (!entry.ok() || found.size() >= kMaxReferences) return false;
      if (key == "location") found.push_back({std::string(), std::string(value), isInitializer && isMainGraph});
    }
    for (size_t i = first; i < found.size(); i++) found[i].tensor = std::string(name);
    if (isInitializer) constants_.insert(name);
    return tensor.ok();
  }

  ModelScan& scan_;
  std::unordered_set<std::string_view> constants_;
  std::vector<std::string_view> sizeInputs_;
  std::vector<std::string> functions_;
};

}  // namespace

bool scanModel(const uint8_t* model, size_t length, ModelScan& scan, Failure& failure) {
  Scanner scanner(scan);
  if (scanner.visit(Message::Model, std::string_view(reinterpret_cast<const char*>(model), length), 0, false)) {
    scanner.finish();
    return true;
  }
  failure.set(FailureKind::Load, "the model is not a readable ONNX file: it is damaged, cut short or nested too deeply. Fetch or export it again");
  return false;
}

}  // namespace mserve
