#include "onnx/model_file.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

namespace mserve {

namespace {

/** A file descriptor that closes itself. */
class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int number() const { return number_; }

 private:
  const int number_;
};

bool hasParentStep(const std::string& location) {
  size_t start = 0;
  while (start <= location.size()) {
    size_t end = location.find('/', start);
    if (end == std::string::npos) end = location.size();
    if (location.compare(start, end - start, "..") == 0) return true;
    start = end + 1;
  }
  return false;
}

std::string realPath(const std::string& path) {
  char resolved[PATH_MAX];
  return ::realpath(path.c_str(), resolved) == nullptr ? std::string() : std::string(resolved);
}

std::string named(const std::string& location) { return "external data file \"" + location.substr(0, 200) + "\" "; }

}  // namespace

MappedFile::~MappedFile() {
  if (bytes_ != nullptr) ::munmap(bytes_, length_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : bytes_(std::exchange(other.bytes_, nullptr)), length_(std::exchange(other.length_, 0)) {}

bool MappedFile::map(int file, size_t length) {
  void* bytes = ::mmap(nullptr, length, PROT_READ, MAP_PRIVATE, file, 0);
  if (bytes == MAP_FAILED) return false;
  bytes_ = bytes;
  length_ = length;
  return true;
}

bool MappedFile::openModel(const std::string& path, bool refuseLinks, Failure& failure) {
  // O_NONBLOCK: opening a pipe must not wait for its writer.
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | (refuseLinks ? O_NOFOLLOW : 0)));
  struct stat status;
  if (file.number() < 0 && refuseLinks && errno == ELOOP) {
    failure.set(FailureKind::Load, "the model file is a symbolic link");
  } else if (file.number() < 0 || ::fstat(file.number(), &status) != 0) {
    failure.set(FailureKind::Load, std::string("the model file cannot be opened: ") + std::strerror(errno));
  } else if (!S_ISREG(status.st_mode)) {
    failure.set(FailureKind::Load, "the model file is not a regular file");
  } else if (refuseLinks && status.st_nlink != 1) {
    failure.set(FailureKind::Load, "the model file has more than one hard link");
  } else if (status.st_size == 0) {
    failure.set(FailureKind::Load, "the model file is empty");
  } else if (!map(file.number(), static_cast<size_t>(status.st_size))) {
    failure.set(FailureKind::Load, std::string("the model file cannot be read: ") + std::strerror(errno));
  }
  return !failure;
}

bool MappedFile::openExternal(const std::string& folder, const std::string& location, Failure& failure) {
  if (location.empty() || location[0] == '/' || location.find('\0') != std::string::npos || hasParentStep(location)) {
    failure.set(FailureKind::Load, named(location) + "is refused: only a path inside the model's folder is allowed, without \"..\"");
    return false;
  }
  // ONNX Runtime tidies the names of the files it is given, but not those it looks for.
  const std::string tidy = std::filesystem::path(location).lexically_normal().string();
  if (tidy != location) {
    failure.set(FailureKind::Load, named(location) + "is refused: the model must call it \"" + tidy.substr(0, 200) + "\"");
    return false;
  }
  const std::string root = realPath(folder);
  const std::string path = realPath(folder + "/" + location);
  if (root.empty() || path.empty()) {
    failure.set(FailureKind::Load, named(location) + "was not found in the model's folder");
    return false;
  }
  if (path.compare(0, root.size() + 1, root == "/" ? "/" : root + "/") != 0 && root != "/") {
    failure.set(FailureKind::Load, named(location) + "is refused: it is a link that leads out of the model's folder");
    return false;
  }
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW));
  struct stat status;
  if (file.number() < 0 || ::fstat(file.number(), &status) != 0) {
    failure.set(FailureKind::Load, named(location) + "cannot be opened: " + std::strerror(errno));
  } else if (!S_ISREG(status.st_mode)) {
    failure.set(FailureKind::Load, named(location) + "is refused: it is not a regular file");
  } else if (status.st_nlink != 1) {
    failure.set(FailureKind::Load, named(location) + "is refused: it is a hard link (it has another name); copy the file instead");
  } else if (status.st_size == 0) {
    failure.set(FailureKind::Load, named(location) + "is empty");
  } else if (!map(file.number(), static_cast<size_t>(status.st_size))) {
    failure.set(FailureKind::Load, named(location) + "cannot be read: " + std::strerror(errno));
  }
  return !failure;
}

std::string folderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace mserve
