#include "onnx/model_file.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <set>
#include <system_error>
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

/** `/proc/PID/root` and `/proc/PID/cwd` lead into another container; what readlink tells of them is a path there, not here. */
bool isPortal(const std::string& path) {
  if (path.compare(0, 6, "/proc/") != 0) return false;
  const size_t slash = path.rfind('/');
  const std::string last = path.substr(slash);
  return slash > 6 && (last == "/root" || last == "/cwd");
}

/** The path without symbolic links, those of {@link isPortal} excepted. Empty when it cannot be told. */
std::string realPath(const std::string& path) {
  std::string rest = path;
  std::string real;
  if (rest.empty()) return {};
  if (rest[0] != '/') {
    char folder[PATH_MAX];
    if (::getcwd(folder, sizeof folder) == nullptr) return {};
    real = std::string(folder) == "/" ? "" : folder;
  }
  for (int links = 0; !rest.empty();) {
    const size_t slash = rest.find('/');
    const std::string step = rest.substr(0, slash);
    rest = slash == std::string::npos ? "" : rest.substr(slash + 1);
    if (step.empty() || step == ".") continue;
    if (step == "..") {
      real = real.substr(0, real.empty() ? 0 : real.rfind('/'));
      continue;
    }
    const std::string next = real + "/" + step;
    struct stat status;
    if (::lstat(next.c_str(), &status) != 0) return {};
    if (!S_ISLNK(status.st_mode) || isPortal(next)) {
      real = next;
      continue;
    }
    char target[PATH_MAX];
    const ssize_t length = ::readlink(next.c_str(), target, sizeof target);
    if (length <= 0 || ++links > 40) return {};
    if (target[0] == '/') real.clear();
    rest = std::string(target, static_cast<size_t>(length)) + (rest.empty() ? "" : "/" + rest);
  }
  return real.empty() ? "/" : real;
}

bool isInside(const std::string& root, const std::string& path) {
  return root == "/" || (!root.empty() && path.compare(0, root.size() + 1, root + "/") == 0);
}

/** Names looked at before a search ends without a result. */
constexpr int kMostNames = 100000;

/** Whether each name of a file (each hard link) lies in one of the folders. Folders are not searched for a file that has but one name. */
bool hasAllNamesInside(const struct stat& file, const std::vector<std::string>& roots) {
  if (file.st_nlink == 1) return true;
  std::set<std::string> found;
  int looked = 0;
  for (const std::string& root : roots) {
    std::error_code error;
    std::filesystem::recursive_directory_iterator names(root, std::filesystem::directory_options::skip_permission_denied, error);
    for (; !error && names != std::filesystem::recursive_directory_iterator(); names.increment(error)) {
      if (++looked > kMostNames) return false;
      struct stat status;
      if (::lstat(names->path().c_str(), &status) == 0 && status.st_ino == file.st_ino && status.st_dev == file.st_dev) {
        found.insert(names->path().string());
        if (found.size() == file.st_nlink) return true;
      }
    }
  }
  return false;
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

bool MappedFile::openModel(const std::string& path, bool refuseLinks, const std::vector<std::string>& linkRoots, Failure& failure) {
  // O_NONBLOCK: opening a pipe must not wait for its writer.
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | (refuseLinks ? O_NOFOLLOW : 0)));
  struct stat status;
  if (file.number() < 0 && refuseLinks && errno == ELOOP) {
    failure.set(FailureKind::Load, "the model file is a symbolic link");
  } else if (file.number() < 0 || ::fstat(file.number(), &status) != 0) {
    failure.set(FailureKind::Load, std::string("the model file cannot be opened: ") + std::strerror(errno));
  } else if (!S_ISREG(status.st_mode)) {
    failure.set(FailureKind::Load, "the model file is not a regular file");
  } else if (refuseLinks && !hasAllNamesInside(status, linkRoots)) {
    failure.set(FailureKind::Load, "the model file has more than one hard link");
  } else if (status.st_size == 0) {
    failure.set(FailureKind::Load, "the model file is empty");
  } else if (!map(file.number(), static_cast<size_t>(status.st_size))) {
    failure.set(FailureKind::Load, std::string("the model file cannot be read: ") + std::strerror(errno));
  }
  return !failure;
}

bool MappedFile::openExternal(const std::string& folder, const std::string& location, const std::vector<std::string>& linkRoots,
                              Failure& failure) {
  if (!isAllowedLocation(location, failure)) return false;
  std::vector<std::string> roots = linkRoots;
  roots.push_back(realPath(folder));
  const std::string path = realPath(folder + "/" + location);
  if (roots.back().empty() || path.empty()) {
    failure.set(FailureKind::Load, named(location) + "was not found in the model's folder");
    return false;
  }
  if (std::none_of(roots.begin(), roots.end(), [&](const std::string& root) { return isInside(root, path); })) {
    failure.set(FailureKind::Load, named(location) + "is refused: it is a link that leads out of the model's folder" +
                                       (linkRoots.empty() ? "" : " and of the servable, to \"" + path.substr(0, 200) + "\"; copy the file, or allow its folder by the setting linkRoot"));
    return false;
  }
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW));
  struct stat status;
  if (file.number() < 0 || ::fstat(file.number(), &status) != 0) {
    failure.set(FailureKind::Load, named(location) + "cannot be opened: " + std::strerror(errno));
  } else if (!S_ISREG(status.st_mode)) {
    failure.set(FailureKind::Load, named(location) + "is refused: it is not a regular file");
  } else if (!hasAllNamesInside(status, roots)) {
    failure.set(FailureKind::Load, named(location) + "is refused: it is a hard link (it has another name, outside); copy the file instead" +
                                       (linkRoots.empty() ? "" : ", or allow the other name's folder by the setting linkRoot"));
  } else if (status.st_size == 0) {
    failure.set(FailureKind::Load, named(location) + "is empty");
  } else if (!map(file.number(), static_cast<size_t>(status.st_size))) {
    failure.set(FailureKind::Load, named(location) + "cannot be read: " + std::strerror(errno));
  }
  return !failure;
}

bool isAllowedLocation(const std::string& location, Failure& failure) {
  if (location.empty() || location[0] == '/' || location.find('\0') != std::string::npos || hasParentStep(location)) {
    failure.set(FailureKind::Load, named(location) + "is refused: only a path inside the model's folder is allowed, without \"..\"");
    return false;
  }
  return true;
}

std::string folderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace mserve
