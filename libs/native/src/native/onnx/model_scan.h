#pragma once

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "failure.h"

namespace mserve {

/** A tensor of a model whose bytes are kept in another file. */
struct ExternalReference {
  std::string tensor;
  std::string location;
  bool isInitializer = false;  // of the main graph: may be given by reference instead
};

/** An input or output of the main graph, as the file declares it. */
struct DeclaredValue {
  std::string name;
  bool hasShape = false;  // a shape is declared; that of a scalar has no dims
};

/** A set of operators that the file says it uses. */
struct OpsetImport {
  std::string domain;  // '' or 'ai.onnx' is the standard one
  int64_t version = 0;
};

/** What is to be known of a model before a runtime gets it. */
struct ModelScan {
  /** In the order of the file; initializers that are listed as inputs are among them. */
  std::vector<DeclaredValue> inputs;
  std::vector<DeclaredValue> outputs;
  bool hasGraph = false;
  int64_t irVersion = 0;
  std::vector<OpsetImport> opsets;
  /** `name of domain`, of operators that are not ONNX's, ONNX Runtime's or the file's own functions, in order. */
  std::set<std::string> foreignOperators;
  /** Operators of ai.onnx.ml are used: there may be classifiers. */
  bool hasClassicOperators = false;
  /** Every external_data location, in subgraphs, functions, attributes and sparse tensors too. */
  std::vector<ExternalReference> references;
  /**
   * The values of an input (not only its size) may decide how long a run takes or how much it allocates: loops, branches, shapes
   * that are computed. Then recent runs say nothing about the next one. Errs on the side of true.
   */
  bool hasOpenEndedCost = false;
};

/** Reads an ONNX protobuf. Linear in the number of fields, nesting bounded. False and a failure when it is not readable. */
bool scanModel(const uint8_t* model, size_t length, ModelScan& scan, Failure& failure);

}  // namespace mserve
