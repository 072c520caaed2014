#pragma once

#include <sys/socket.h>
#include <unistd.h>

#include <utility>

// macOS has no such flag; Node ignores SIGPIPE anyway
#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0
#endif

namespace mserve::rank {

/** An open file or socket; closed with its owner. */
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    if (this != &other) {
      close();
      number_ = std::exchange(other.number_, -1);
    }
    return *this;
  }
  ~Descriptor() { close(); }

  int number() const { return number_; }
  bool isOpen() const { return number_ >= 0; }
  void close() {
    if (number_ >= 0) ::close(std::exchange(number_, -1));
  }

 private:
  int number_ = -1;
};

}  // namespace mserve::rank
