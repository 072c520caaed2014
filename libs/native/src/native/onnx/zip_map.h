#pragma once

#include <set>
#include <string>
#include <string_view>

namespace mserve {

/**
 * Exporters of classifiers put a ZipMap (domain ai.onnx.ml) at the end, which makes a map from class to probability for each row. Rewrites a model so that such
 * outputs are the tensor that the ZipMap takes, float32 [rows, classes], under the same name. Returns their names; `rewritten` stays empty when there are none.
 */
std::set<std::string> unzipMaps(std::string_view model, std::string& rewritten);

}  // namespace mserve
