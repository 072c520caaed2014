#include "acl/om_header.h"

#include <cstdint>
#include <cstring>

#include "onnx/model_file.h"

namespace mserve::acl {

namespace {

constexpr size_t kHeaderLength = 256;
constexpr uint32_t kMagic = 0x444F4D49;  // "IMOD"
constexpr uint8_t kFlowModel = 3;
constexpr uint8_t kBundle = 4;

template <typename T>
T read(const uint8_t* bytes, size_t offset) {
  T value;
  std::memcpy(&value, bytes + offset, sizeof(value));
  return value;
}

}  // namespace

bool checkOmFile(const std::string& path, bool refuseLinks, const std::vector<std::string>& linkRoots, Failure& failure) {
  MappedFile file;
  if (!file.openModel(path, refuseLinks, linkRoots, failure)) return false;
  const uint8_t* bytes = file.bytes();
  if (file.length() < sizeof(kMagic) || read<uint32_t>(bytes, 0) != kMagic) {
    // Also the container of newer compilers, which AscendCL tells by itself; other formats are refused there
    if (file.length() >= kHeaderLength) return true;
    failure.set(FailureKind::Load, "the model file is too short for an OM file");
    return false;
  }
  if (file.length() < kHeaderLength) {
    failure.set(FailureKind::Load, "the OM file is cut off: its header has 256 bytes, the file " + std::to_string(file.length()));
    return false;
  }
  if (bytes[80] != 0) {
    failure.set(FailureKind::Load, "the OM file is encrypted, which is not supported");
    return false;
  }
  if (bytes[82] == kFlowModel || bytes[82] == kBundle) {
    failure.set(FailureKind::Load, "the OM file is a bundle of models, which is not supported: compile each model by itself");
    return false;
  }
  const uint64_t longLength = read<uint64_t>(bytes, 184);  // 0 in old files
  const uint64_t length = longLength != 0 ? longLength : read<uint32_t>(bytes, 76);
  if (length == file.length() - kHeaderLength) return true;
  failure.set(FailureKind::Load, "the OM file is cut off or has something after its end: it should have " + std::to_string(length + kHeaderLength) + " bytes and has " +
                                     std::to_string(file.length()));
  return false;
}

}  // namespace mserve::acl
