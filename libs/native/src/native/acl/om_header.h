#pragma once

#include <string>
#include <vector>

#include "failure.h"

namespace mserve::acl {

/**
 * Looks at the head of an OM file: false and a failure of kind Load when it cannot be read, is encrypted, a bundle, or shorter or longer than it says. A file of
 * another magic passes: the library decides on it.
 */
bool checkOmFile(const std::string& path, bool refuseLinks, const std::vector<std::string>& linkRoots, Failure& failure);

}  // namespace mserve::acl
