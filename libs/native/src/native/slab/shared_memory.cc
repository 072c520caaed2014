#include "slab/shared_memory.h"

#include <cerrno>
#include <cstring>
#include <utility>

#ifdef __linux__
#include <fcntl.h>
#include <linux/memfd.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#endif

namespace mserve::slab {

Mapping::Mapping(Mapping&& other) noexcept : memory_(std::exchange(other.memory_, nullptr)), bytes_(other.bytes_) {}

Mapping& Mapping::operator=(Mapping&& other) noexcept {
  std::swap(memory_, other.memory_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

std::string textOf(int error) { return std::strerror(error); }

#ifdef __linux__

namespace {

// Since Linux 6.3; headers may be older
constexpr unsigned kNoExecSeal = 0x8;

/** A file over the limit of the process (RLIMIT_FSIZE) is an error here, and not the end of the process. */
class NoFileSizeSignal {
 public:
  NoFileSizeSignal() {
    sigemptyset(&signals_);
    sigaddset(&signals_, SIGXFSZ);
    ::pthread_sigmask(SIG_BLOCK, &signals_, &before_);
  }
  ~NoFileSizeSignal() {
    const int error = errno;
    const timespec atOnce = {};
    while (::sigtimedwait(&signals_, nullptr, &atOnce) > 0) continue;
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    errno = error;
  }

 private:
  sigset_t signals_;
  sigset_t before_;
};

socklen_t addressOf(Handed what, uint64_t handed, sockaddr_un& address) {
  address = {};
  address.sun_family = AF_UNIX;
  const char* const kind = what == Handed::Slab ? "slab" : "ring";
  const auto number = static_cast<unsigned long long>(handed);
  // The first byte is 0: the name is in no file system
  const int length = std::snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "mserve-%s-%016llx", kind, number);
  return static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + length);
}

bool mapAll(const Descriptor& file, size_t bytes, bool isWritable, Mapping& mapping) {
  void* memory = ::mmap(nullptr, bytes, isWritable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, file.number(), 0);
  if (memory == MAP_FAILED) return false;
  mapping = Mapping(memory, bytes);
  return true;
}

}  // namespace

Mapping::~Mapping() {
  if (memory_ != nullptr) ::munmap(memory_, bytes_);
}

bool makeMemory(const char* label, size_t bytes, Descriptor& file, Mapping& mapping) {
  const NoFileSizeSignal quiet;
  const unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  int number = static_cast<int>(::syscall(SYS_memfd_create, label, flags | kNoExecSeal));
  if (number < 0 && errno == EINVAL) number = static_cast<int>(::syscall(SYS_memfd_create, label, flags));
  file = Descriptor(number);
  return file.isOpen() && ::ftruncate(file.number(), static_cast<off_t>(bytes)) == 0 &&
         ::fcntl(file.number(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == 0 && mapAll(file, bytes, true, mapping);
}

bool mapMemory(const Descriptor& file, size_t bytes, bool isWritable, Mapping& mapping) {
  struct stat status = {};
  const int seals = ::fcntl(file.number(), F_GET_SEALS);
  if (seals < 0 || (seals & F_SEAL_SHRINK) == 0) return false;
  if (::fstat(file.number(), &status) != 0 || static_cast<uint64_t>(status.st_size) != bytes) return false;
  return mapAll(file, bytes, isWritable, mapping);
}

Descriptor readOnly(const Descriptor& file) {
  const std::string path = "/proc/self/fd/" + std::to_string(file.number());
  return Descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
}

bool reserve(const Descriptor& file, size_t begin, size_t end) {
  const NoFileSizeSignal quiet;
  int error;
  do error = ::fallocate(file.number(), 0, static_cast<off_t>(begin), static_cast<off_t>(end - begin)) == 0 ? 0 : errno;
  while (error == EINTR);
  return error == 0;
}

Descriptor listenAt(Handed what, uint64_t number) {
  sockaddr_un address;
  const socklen_t length = addressOf(what, number, address);
  Descriptor socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.isOpen() || ::bind(socket.number(), reinterpret_cast<sockaddr*>(&address), length) != 0 || ::listen(socket.number(), 64) != 0) return {};
  return socket;
}

Descriptor acceptFrom(const Descriptor& listener) { return Descriptor(::accept4(listener.number(), nullptr, nullptr, SOCK_CLOEXEC)); }

bool makePipe(Descriptor& reads, Descriptor& writes) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return false;
  reads = Descriptor(ends[0]);
  writes = Descriptor(ends[1]);
  return true;
}

Descriptor makeEvent() { return Descriptor(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)); }

void raise(const Descriptor& event) {
  const uint64_t one = 1;
  // Full: it is raised
  [[maybe_unused]] const ssize_t written = ::write(event.number(), &one, sizeof one);
}

void clear(const Descriptor& event) {
  uint64_t count;
  [[maybe_unused]] const ssize_t got = ::read(event.number(), &count, sizeof count);
}

Descriptor connectTo(Handed what, uint64_t number, int timeoutMs) {
  sockaddr_un address;
  const socklen_t length = addressOf(what, number, address);
  Descriptor socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  const timeval limit = {timeoutMs / 1000, timeoutMs % 1000 * 1000};
  if (!socket.isOpen()) return {};
  ::setsockopt(socket.number(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ::setsockopt(socket.number(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  if (::connect(socket.number(), reinterpret_cast<sockaddr*>(&address), length) != 0) return {};
  return socket;
}

bool isOfThisUser(const Descriptor& socket) {
  ucred peer = {};
  socklen_t length = sizeof peer;
  return ::getsockopt(socket.number(), SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 && peer.uid == ::geteuid();
}

bool sendFiles(const Descriptor& socket, const Welcome& welcome, const Descriptor& first, const Descriptor& second) {
  const int numbers[2] = {first.number(), second.number()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof numbers)] = {};
  iovec part = {const_cast<Welcome*>(&welcome), sizeof welcome};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* const head = CMSG_FIRSTHDR(&message);
  head->cmsg_level = SOL_SOCKET;
  head->cmsg_type = SCM_RIGHTS;
  head->cmsg_len = CMSG_LEN(sizeof numbers);
  std::memcpy(CMSG_DATA(head), numbers, sizeof numbers);
  return ::sendmsg(socket.number(), &message, MSG_NOSIGNAL | MSG_DONTWAIT) == static_cast<ssize_t>(sizeof welcome);
}

bool receiveFiles(const Descriptor& socket, Welcome& welcome, Descriptor& first, Descriptor& second) {
  int numbers[2];
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof numbers)] = {};
  iovec part = {&welcome, sizeof welcome};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t received;
  do received = ::recvmsg(socket.number(), &message, MSG_CMSG_CLOEXEC);
  while (received < 0 && errno == EINTR);
  for (cmsghdr* head = CMSG_FIRSTHDR(&message); head != nullptr; head = CMSG_NXTHDR(&message, head)) {
    if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; i++) {
      int number;
      std::memcpy(&number, CMSG_DATA(head) + i * sizeof(int), sizeof number);
      (i == 0 ? first : second) = Descriptor(number);
    }
  }
  return received == static_cast<ssize_t>(sizeof welcome) && (message.msg_flags & MSG_CTRUNC) == 0 && welcome.magic != 0 && first.isOpen() &&
         second.isOpen();
}

#else  // no memory without a name that can be sealed and handed over

Mapping::~Mapping() {}
bool makeMemory(const char*, size_t, Descriptor&, Mapping&) {
  errno = ENOSYS;
  return false;
}
bool mapMemory(const Descriptor&, size_t, bool, Mapping&) { return false; }
Descriptor readOnly(const Descriptor&) { return {}; }
bool reserve(const Descriptor&, size_t, size_t) { return false; }
Descriptor listenAt(Handed, uint64_t) { return {}; }
Descriptor acceptFrom(const Descriptor&) { return {}; }
bool makePipe(Descriptor&, Descriptor&) { return false; }
Descriptor makeEvent() { return {}; }
void raise(const Descriptor&) {}
void clear(const Descriptor&) {}
Descriptor connectTo(Handed, uint64_t, int) { return {}; }
bool isOfThisUser(const Descriptor&) { return false; }
bool sendFiles(const Descriptor&, const Welcome&, const Descriptor&, const Descriptor&) { return false; }
bool receiveFiles(const Descriptor&, Welcome&, Descriptor&, Descriptor&) { return false; }

#endif

}  // namespace mserve::slab
