#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "rank/descriptor.h"

namespace mserve::slab {

using rank::Descriptor;

/** Memory of a file that has no name; mapped as long as this lives. */
class Mapping {
 public:
  Mapping() = default;
  Mapping(void* memory, size_t bytes) : memory_(static_cast<uint8_t*>(memory)), bytes_(bytes) {}
  Mapping(Mapping&& other) noexcept;
  Mapping& operator=(Mapping&& other) noexcept;
  ~Mapping();

  uint8_t* memory() const { return memory_; }
  size_t bytes() const { return bytes_; }

 private:
  uint8_t* memory_ = nullptr;
  size_t bytes_ = 0;
};

/** What stands between processes that hand each other memory. */
struct Welcome {
  uint64_t magic;
  uint64_t bytes;
};

/** A file of so many bytes without a name, which nobody can make smaller (who maps it gets no SIGBUS), and its mapping. False: errno says why. */
bool makeMemory(const char* label, size_t bytes, Descriptor& file, Mapping& mapping);
/** Maps what another process sent. False: it is not of that size, or can be made smaller. */
bool mapMemory(const Descriptor& file, size_t bytes, bool isWritable, Mapping& mapping);
/** The same file for reading only. */
Descriptor readOnly(const Descriptor& file);
/** Makes sure that the file has memory in [begin, end). False: there is none. */
bool reserve(const Descriptor& file, size_t begin, size_t end);

/** What is handed over: slabs of tensors, or rings of messages. It is part of the socket's name. */
enum class Handed { Slab, Ring };

/** Sockets without a file, which this network namespace sees. */
Descriptor listenAt(Handed what, uint64_t number);
/** Who has connected; not open when nobody has, or no descriptor is left. */
Descriptor acceptFrom(const Descriptor& listener);
/** A pipe: the end that is read, and the end that is written. */
bool makePipe(Descriptor& reads, Descriptor& writes);
/** An event (eventfd): readable from raise() to clear(). None of them waits. */
Descriptor makeEvent();
void raise(const Descriptor& event);
void clear(const Descriptor& event);
/** Connects; calls that follow wait no longer than `timeoutMs`. */
Descriptor connectTo(Handed what, uint64_t number, int timeoutMs);
/** Whether the process at the other end is of the same user: it may read this memory anyway. */
bool isOfThisUser(const Descriptor& socket);
/** Sends the welcome and two files in one message that does not wait. */
bool sendFiles(const Descriptor& socket, const Welcome& welcome, const Descriptor& first, const Descriptor& second);
bool receiveFiles(const Descriptor& socket, Welcome& welcome, Descriptor& first, Descriptor& second);

/** What errno was, for people. */
std::string textOf(int error);

}  // namespace mserve::slab
