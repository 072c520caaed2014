#include <cstring>
#include <fstream>
#include <iterator>
#include <sstream>

#include "fake.h"

/**
 * Toy .om files: the real header of 256 bytes, then lines of text, a line `blob`, and the bytes of the weights. test/support/om-model.ts writes them.
 *   input NAME DTYPE DIMS | output NAME DTYPE DIMS TENSOR | gears 1,2,4 | weight NAME DTYPE DIMS OFFSET | node OP IN,IN OUT [key=value ...] | sleep_us N | fail N CODE
 * DIMS is like 2,3; -1 is the batch of a model with gears; - is a scalar.
 */
namespace fake {

namespace {

struct Type {
  const char* name;
  int number;
  size_t size;
};
constexpr Type kTypes[] = {{"float32", 0, 4}, {"float16", 1, 2}, {"int8", 2, 1},   {"int32", 3, 4},   {"uint8", 4, 1},   {"int16", 6, 2}, {"uint16", 7, 2},
                           {"uint32", 8, 4},  {"int64", 9, 8},   {"uint64", 10, 8}, {"float64", 11, 8}, {"bool", 12, 1}, {"bfloat16", 27, 2}, {"int4", 29, 1}};

template <typename T>
std::vector<T> numbers(const std::string& text) {
  std::vector<T> all;
  if (text == "-") return all;
  std::istringstream parts(text);
  for (std::string part; std::getline(parts, part, ',');) all.push_back(static_cast<T>(std::stoll(part)));
  return all;
}

std::vector<std::string> names(const std::string& text) {
  std::vector<std::string> all;
  std::istringstream parts(text);
  for (std::string part; std::getline(parts, part, ',');) all.push_back(part);
  return all;
}

Tensor readTensor(std::istringstream& line) {
  Tensor tensor;
  std::string dims;
  line >> tensor.name >> tensor.dtype >> dims;
  tensor.dims = numbers<int64_t>(dims);
  return tensor;
}

void readLine(const std::string& text, const uint8_t* blob, Graph& graph) {
  std::istringstream line(text);
  std::string word;
  line >> word;
  if (word == "input") {
    graph.inputs.push_back(readTensor(line));
  } else if (word == "output") {
    graph.outputs.push_back(readTensor(line));
    line >> graph.outputOf.emplace_back();
  } else if (word == "gears") {
    line >> word;
    graph.gears = numbers<uint64_t>(word);
  } else if (word == "weight") {
    Tensor weight = readTensor(line);
    size_t offset = 0;
    line >> offset;
    decode(blob + offset, weight);
    graph.weights[weight.name] = weight;
  } else if (word == "node") {
    Node node;
    std::string inputs;
    line >> node.op >> inputs >> node.output;
    node.inputs = names(inputs);
    for (std::string attribute; line >> attribute;) node.attributes[attribute.substr(0, attribute.find('='))] = attribute.substr(attribute.find('=') + 1);
    graph.nodes.push_back(node);
  } else if (word == "sleep_us") {
    line >> graph.sleepUs;
  } else if (word == "fail") {
    line >> graph.failAt >> graph.failCode;
  }
}

}  // namespace

size_t elementSize(const std::string& dtype) {
  for (const Type& type : kTypes) {
    if (dtype == type.name) return type.size;
  }
  return 0;
}

int typeNumber(const std::string& dtype) {
  for (const Type& type : kTypes) {
    if (dtype == type.name) return type.number;
  }
  return -1;
}

size_t countOf(const std::vector<int64_t>& dims) {
  size_t count = 1;
  for (const int64_t dim : dims) count *= static_cast<size_t>(dim);
  return count;
}

std::shared_ptr<Graph> readGraph(const std::string& path, Error& code, std::string& text) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    code = kModelPath;
    text = "file " + path + " does not exist";
    return nullptr;
  }
  const std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  uint64_t length = 0;
  if (bytes.size() >= 256) std::memcpy(&length, bytes.data() + 184, sizeof(length));
  if (bytes.size() < 256 || bytes.compare(0, 4, "IMOD") != 0 || length + 256 != bytes.size()) {
    code = kModelSize;
    text = "model data is no OM model, or of a wrong size";
    return nullptr;
  }
  const size_t end = bytes.find("\nblob\n", 256);
  if (end == std::string::npos) {
    code = kModelSize;
    text = "not a toy model";
    return nullptr;
  }
  auto graph = std::make_shared<Graph>();
  std::istringstream lines(bytes.substr(256, end - 256));
  const auto* blob = reinterpret_cast<const uint8_t*>(bytes.data()) + end + 6;
  for (std::string line; std::getline(lines, line);) readLine(line, blob, *graph);
  if (!graph->gears.empty()) graph->inputs.push_back(Tensor{"ascend_mbatch_shape_data", "int32", {2}, {}});
  return graph;
}

}  // namespace fake
