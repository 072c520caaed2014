#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstring>
#include <string>

namespace mserve::rank {

/** An IP address and a port, as sockets take them. */
struct SocketAddress {
  sockaddr_storage storage = {};
  socklen_t length = 0;

  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }

  /** False: the text is no IP address. */
  bool parse(const std::string& address, uint16_t port) {
    storage = {};
    auto* four = reinterpret_cast<sockaddr_in*>(&storage);
    auto* six = reinterpret_cast<sockaddr_in6*>(&storage);
    if (::inet_pton(AF_INET, address.c_str(), &four->sin_addr) == 1) {
      four->sin_family = AF_INET;
      four->sin_port = htons(port);
      length = sizeof(sockaddr_in);
      return true;
    }
    if (::inet_pton(AF_INET6, address.c_str(), &six->sin6_addr) != 1) return false;
    six->sin6_family = AF_INET6;
    six->sin6_port = htons(port);
    length = sizeof(sockaddr_in6);
    return true;
  }

  uint16_t port() const {
    return ntohs(storage.ss_family == AF_INET6 ? reinterpret_cast<const sockaddr_in6*>(&storage)->sin6_port : reinterpret_cast<const sockaddr_in*>(&storage)->sin_port);
  }

  /** The same address, whatever the ports. An IPv4 address in IPv6 form is that IPv4 address. */
  bool hasHostOf(const SocketAddress& other) const {
    uint8_t mine[16];
    uint8_t others[16];
    bytesOf(mine);
    other.bytesOf(others);
    return std::memcmp(mine, others, sizeof(mine)) == 0;
  }

 private:
  void bytesOf(uint8_t (&bytes)[16]) const {
    if (storage.ss_family == AF_INET6) {
      std::memcpy(bytes, &reinterpret_cast<const sockaddr_in6*>(&storage)->sin6_addr, 16);
      return;
    }
    const uint8_t prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    std::memcpy(bytes, prefix, sizeof(prefix));
    std::memcpy(bytes + sizeof(prefix), &reinterpret_cast<const sockaddr_in*>(&storage)->sin_addr, 4);
  }
};

}  // namespace mserve::rank
