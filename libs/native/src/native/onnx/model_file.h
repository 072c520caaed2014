#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "failure.h"

namespace mserve {

/** A regular file's contents, mapped read-only. Opened once: what was checked is what is read. */
class MappedFile {
 public:
  MappedFile() = default;
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&&) = delete;
  MappedFile(const MappedFile&) = delete;

  /**
   * A model file: regular (no device, pipe or folder) and not empty; with `refuseLinks` no symbolic link, and all of its names (hard links) in `linkRoots`.
   */
  bool openModel(const std::string& path, bool refuseLinks, const std::vector<std::string>& linkRoots, Failure& failure);
  /**
   * A file of external data: `location` is relative and names a regular file that lies, after symbolic links are followed, in `folder` or in one of
   * `linkRoots` (real paths), all of its names (hard links) too: another name could be any file of this file system.
   */
  bool openExternal(const std::string& folder, const std::string& location, const std::vector<std::string>& linkRoots, Failure& failure);

  const uint8_t* bytes() const { return static_cast<const uint8_t*>(bytes_); }
  size_t length() const { return length_; }

 private:
  bool map(int file, size_t length);

  void* bytes_ = nullptr;
  size_t length_ = 0;
};

/** Whether external data may be asked for by this location: relative, without `..`. Else a failure. */
bool isAllowedLocation(const std::string& location, Failure& failure);

/** The folder part of a path, '.' when there is none. */
std::string folderOf(const std::string& path);

}  // namespace mserve
