#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <sstream>

#include "fake.h"

namespace fake {

namespace {

template <typename T>
void decodeAs(const uint8_t* bytes, std::vector<double>& values) {
  for (size_t i = 0; i < values.size(); i++) {
    T value;
    std::memcpy(&value, bytes + i * sizeof(T), sizeof(T));
    values[i] = static_cast<double>(value);
  }
}

template <typename T>
void encodeAs(const std::vector<double>& values, uint8_t* bytes) {
  for (size_t i = 0; i < values.size(); i++) {
    const T value = static_cast<T>(values[i]);
    std::memcpy(bytes + i * sizeof(T), &value, sizeof(T));
  }
}

double halfToDouble(uint16_t half) {
  const int exponent = half >> 10 & 31;
  const double fraction = half & 1023;
  const double sign = half & 0x8000 ? -1 : 1;
  if (exponent == 31) return fraction == 0 ? sign * INFINITY : NAN;
  return sign * (exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25));
}

uint16_t doubleToHalf(double value) {
  const uint16_t sign = std::signbit(value) ? 0x8000 : 0;
  const double size = std::fabs(value);
  if (std::isnan(value)) return 0x7E00;
  if (size >= 65520) return sign | 0x7C00;
  if (size < std::ldexp(1, -14)) return static_cast<uint16_t>(sign | static_cast<uint16_t>(std::nearbyint(std::ldexp(size, 24))));
  int exponent = 0;
  const double fraction = std::frexp(size, &exponent);  // [0.5, 1)
  const auto bits = static_cast<uint32_t>(std::nearbyint(std::ldexp(fraction, 11)));  // 1024..2048
  return static_cast<uint16_t>(sign | ((static_cast<uint32_t>(exponent + 13) << 10) + bits));
}

using Operands = std::vector<const Tensor*>;

int64_t attribute(const Node& node, const char* name, int64_t otherwise) {
  const auto found = node.attributes.find(name);
  return found == node.attributes.end() ? otherwise : std::stoll(found->second);
}

std::vector<int64_t> list(const Node& node, const char* name) {
  std::vector<int64_t> all;
  const auto found = node.attributes.find(name);
  if (found == node.attributes.end()) return all;
  std::istringstream parts(found->second);
  for (std::string part; std::getline(parts, part, ',');) all.push_back(std::stoll(part));
  return all;
}

/** Elementwise; the second one may be repeated along leading axes. */
Tensor each(const Operands& in, const std::function<double(double, double)>& f) {
  Tensor out = *in[0];
  for (size_t i = 0; i < out.values.size(); i++) out.values[i] = f(in[0]->values[i], in.size() > 1 ? in[1]->values[i % in[1]->values.size()] : 0);
  return out;
}

Tensor matMul(const Operands& in) {
  const int64_t rows = in[0]->dims[0], inner = in[0]->dims[1], columns = in[1]->dims[1];
  Tensor out{"", in[0]->dtype, {rows, columns}, std::vector<double>(static_cast<size_t>(rows * columns))};
  for (int64_t i = 0; i < rows; i++) {
    for (int64_t j = 0; j < columns; j++) {
      double sum = in.size() > 2 ? in[2]->values[j] : 0;
      for (int64_t k = 0; k < inner; k++) sum += in[0]->values[i * inner + k] * in[1]->values[k * columns + j];
      out.values[i * columns + j] = sum;
    }
  }
  return out;
}

/** Along the last axis. */
Tensor softmax(const Operands& in) {
  Tensor out = *in[0];
  const size_t width = static_cast<size_t>(out.dims.back());
  for (size_t row = 0; row < out.values.size(); row += width) {
    const double most = *std::max_element(&out.values[row], &out.values[row] + width);
    double sum = 0;
    for (size_t i = row; i < row + width; i++) sum += out.values[i] = std::exp(out.values[i] - most);
    for (size_t i = row; i < row + width; i++) out.values[i] /= sum;
  }
  return out;
}

Tensor argMax(const Operands& in) {
  const size_t width = static_cast<size_t>(in[0]->dims.back());
  Tensor out{"", "int32", {in[0]->dims.begin(), in[0]->dims.end() - 1}, {}};
  for (size_t row = 0; row < in[0]->values.size(); row += width) {
    const double* start = &in[0]->values[row];
    out.values.push_back(static_cast<double>(std::max_element(start, start + width) - start));
  }
  return out;
}

/** Along the last axis. */
Tensor concat(const Operands& in) {
  Tensor out{"", in[0]->dtype, in[0]->dims, {}};
  out.dims.back() = 0;
  for (const Tensor* part : in) out.dims.back() += part->dims.back();
  const size_t rows = in[0]->values.size() / static_cast<size_t>(in[0]->dims.back());
  for (size_t row = 0; row < rows; row++) {
    for (const Tensor* part : in) {
      const auto width = part->dims.back();
      out.values.insert(out.values.end(), part->values.begin() + static_cast<int64_t>(row) * width, part->values.begin() + static_cast<int64_t>(row + 1) * width);
    }
  }
  return out;
}

/** to=-1,8: the first dim stays where it is 0, -1 is what is left. */
Tensor reshape(const Operands& in, const Node& node) {
  Tensor out = *in[0];
  out.dims = list(node, "to");
  int64_t known = 1;
  for (size_t i = 0; i < out.dims.size(); i++) {
    if (out.dims[i] == 0) out.dims[i] = in[0]->dims[i];
    if (out.dims[i] > 0) known *= out.dims[i];
  }
  for (int64_t& dim : out.dims) {
    if (dim < 0) dim = static_cast<int64_t>(out.values.size()) / known;
  }
  return out;
}

/** Of the last two axes. */
Tensor transpose(const Operands& in) {
  Tensor out = *in[0];
  const size_t rank = out.dims.size();
  const auto rows = static_cast<size_t>(out.dims[rank - 2]), columns = static_cast<size_t>(out.dims[rank - 1]);
  std::swap(out.dims[rank - 2], out.dims[rank - 1]);
  for (size_t base = 0; base < out.values.size(); base += rows * columns) {
    for (size_t i = 0; i < rows; i++) {
      for (size_t j = 0; j < columns; j++) out.values[base + j * rows + i] = in[0]->values[base + i * columns + j];
    }
  }
  return out;
}

/** NCHW, no padding: `term` gets what is so far, the pixel, and the weight's index. */
Tensor windows(const Tensor& x, int64_t channels, int64_t kernel, int64_t stride, double start, const std::function<double(double, double, int64_t, int64_t)>& term, bool isPool) {
  const int64_t n = x.dims[0], c = x.dims[1], h = x.dims[2], w = x.dims[3];
  const int64_t oh = (h - kernel) / stride + 1, ow = (w - kernel) / stride + 1;
  Tensor out{"", x.dtype, {n, channels, oh, ow}, {}};
  for (int64_t b = 0; b < n; b++) {
    for (int64_t o = 0; o < channels; o++) {
      for (int64_t i = 0; i < oh * ow; i++) {
        double value = start;
        for (int64_t ci = isPool ? o : 0; ci < (isPool ? o + 1 : c); ci++) {
          for (int64_t k = 0; k < kernel * kernel; k++) {
            const int64_t y = i / ow * stride + k / kernel, xx = i % ow * stride + k % kernel;
            value = term(value, x.values[((b * c + ci) * h + y) * w + xx], o, ci * kernel * kernel + k);
          }
        }
        out.values.push_back(value);
      }
    }
  }
  return out;
}

Tensor conv(const Operands& in, const Node& node) {
  const Tensor& weights = *in[1];  // out, in, k, k
  const int64_t perOutput = weights.dims[1] * weights.dims[2] * weights.dims[3];
  return windows(*in[0], weights.dims[0], weights.dims[2], attribute(node, "stride", 1), 0,
                 [&](double sum, double pixel, int64_t o, int64_t at) { return sum + pixel * weights.values[o * perOutput + at]; }, false);
}

Tensor maxPool(const Operands& in, const Node& node) {
  const int64_t kernel = attribute(node, "kernel", 2);
  return windows(*in[0], in[0]->dims[1], kernel, attribute(node, "stride", kernel), -INFINITY,
                 [](double most, double pixel, int64_t, int64_t) { return std::max(most, pixel); }, true);
}

Tensor compute(const Node& node, const Operands& in) {
  const std::string& op = node.op;
  if (op == "Add") return each(in, [](double a, double b) { return a + b; });
  if (op == "Sub") return each(in, [](double a, double b) { return a - b; });
  if (op == "Mul") return each(in, [](double a, double b) { return a * b; });
  if (op == "Relu") return each({in[0]}, [](double a, double) { return std::max(a, 0.0); });
  if (op == "MatMul") return matMul(in);
  if (op == "Softmax") return softmax(in);
  if (op == "ArgMax") return argMax(in);
  if (op == "Concat") return concat(in);
  if (op == "Reshape") return reshape(in, node);
  if (op == "Transpose") return transpose(in);
  if (op == "Conv2D") return conv(in, node);
  if (op == "MaxPool") return maxPool(in, node);
  Tensor out = *in[0];  // Identity, Cast, Sleep
  if (op == "Sleep") ::usleep(static_cast<useconds_t>(attribute(node, "us", 1000)));
  if (op == "Cast") out.dtype = node.attributes.at("to");
  return out;
}

}  // namespace

void decode(const uint8_t* bytes, Tensor& tensor) {
  const std::string& type = tensor.dtype;
  tensor.values.resize(countOf(tensor.dims));
  if (type == "float32") return decodeAs<float>(bytes, tensor.values);
  if (type == "float64") return decodeAs<double>(bytes, tensor.values);
  if (type == "int8") return decodeAs<int8_t>(bytes, tensor.values);
  if (type == "int16") return decodeAs<int16_t>(bytes, tensor.values);
  if (type == "int32") return decodeAs<int32_t>(bytes, tensor.values);
  if (type == "int64") return decodeAs<int64_t>(bytes, tensor.values);
  if (type == "uint16") return decodeAs<uint16_t>(bytes, tensor.values);
  if (type == "uint32") return decodeAs<uint32_t>(bytes, tensor.values);
  if (type == "uint64") return decodeAs<uint64_t>(bytes, tensor.values);
  if (type != "float16") return decodeAs<uint8_t>(bytes, tensor.values);
  std::vector<double> halves(tensor.values.size());
  decodeAs<uint16_t>(bytes, halves);
  for (size_t i = 0; i < halves.size(); i++) tensor.values[i] = halfToDouble(static_cast<uint16_t>(halves[i]));
}

void encode(const Tensor& tensor, const std::string& type, uint8_t* bytes) {
  if (type == "float32") return encodeAs<float>(tensor.values, bytes);
  if (type == "float64") return encodeAs<double>(tensor.values, bytes);
  if (type == "int8") return encodeAs<int8_t>(tensor.values, bytes);
  if (type == "int16") return encodeAs<int16_t>(tensor.values, bytes);
  if (type == "int32") return encodeAs<int32_t>(tensor.values, bytes);
  if (type == "int64") return encodeAs<int64_t>(tensor.values, bytes);
  if (type == "uint16") return encodeAs<uint16_t>(tensor.values, bytes);
  if (type == "uint32") return encodeAs<uint32_t>(tensor.values, bytes);
  if (type == "uint64") return encodeAs<uint64_t>(tensor.values, bytes);
  if (type != "float16") return encodeAs<uint8_t>(tensor.values, bytes);
  std::vector<double> halves;
  for (const double value : tensor.values) halves.push_back(doubleToHalf(value));
  encodeAs<uint16_t>(halves, bytes);
}

std::string execute(const Graph& graph, std::map<std::string, Tensor>& tensors) {
  for (const Node& node : graph.nodes) {
    if (node.op == "Fail") return "operator Fail";
    Operands operands;
    for (const std::string& name : node.inputs) {
      const auto found = tensors.find(name);
      const auto weight = graph.weights.find(name);
      if (found == tensors.end() && weight == graph.weights.end()) return "no tensor " + name;
      operands.push_back(found != tensors.end() ? &found->second : &weight->second);
    }
    Tensor out = compute(node, operands);
    tensors[node.output] = std::move(out);
  }
  return "";
}

}  // namespace fake
