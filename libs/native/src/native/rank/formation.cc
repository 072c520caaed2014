#include "rank/formation.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <list>

#ifndef POLLRDHUP
#define POLLRDHUP 0
#endif

#include "rank/address.h"
#include "rank/greeting.h"

namespace mserve::rank {

namespace {

constexpr int64_t kRetryNs = 20'000'000;
/** Who has connected has this long to say who it is. */
constexpr int64_t kGreetingNs = 2'000'000'000;
constexpr size_t kMostStrangers = 256;

void configure(int socket) {
  const int on = 1;
  ::fcntl(socket, F_SETFL, O_NONBLOCK);
  ::fcntl(socket, F_SETFD, FD_CLOEXEC);
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  ::setsockopt(socket, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
}

/** A connection whose ranks are greeting each other. */
struct Greeter {
  enum Step { Connecting, Sending, Reading, Confirming, Done, Broken };
  Descriptor socket;
  bool isCaller = false;
  uint32_t peer = 0;  // of a called one known once its greeting is read
  Channel channel = Channel::Control;
  Step step = Connecting;
  Greeting mine;
  Greeting theirs;
  size_t moved = 0;  // bytes of the greeting in hand
  int64_t limitNs = 0;
  SocketAddress remote;

  /** Sends or reads on. True: the greeting in hand is complete. */
  bool move() {
    const bool reads = step == Reading || (step == Confirming && !isCaller);
    auto* bytes = reinterpret_cast<uint8_t*>(reads ? &theirs : &mine) + moved;
    const size_t left = sizeof(Greeting) - moved;
    const ssize_t count = reads ? ::recv(socket.number(), bytes, left, MSG_DONTWAIT) : ::send(socket.number(), bytes, left, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (count > 0) moved += count;
    if (count == 0 || (count < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)) step = Broken;
    // A first byte that no greeting has: somebody else's protocol
    if (reads && moved > 0 && std::memcmp(theirs.magic, Greeting().magic, std::min(moved, sizeof(theirs.magic))) != 0) step = Broken;
    if (step == Broken || moved < sizeof(Greeting)) return false;
    moved = 0;
    return true;
  }
  void go(Step next) {
    step = next;
    moved = 0;
  }
  short events() const {
    if (step == Done) return POLLRDHUP;
    const bool reads = step == Reading || (step == Confirming && !isCaller);
    return reads ? POLLIN : POLLOUT;
  }
};

}  // namespace

/** Builds one mesh. */
class Formation {
 public:
  Formation(const FormationRequest& request, const Descriptor& listener, Interrupt& interrupt, Failure& failure)
      : request_(request), listener_(listener), interrupt_(interrupt), failure_(failure), peers_(request.endpoints.size()), links_(request.endpoints.size()) {}

  std::unique_ptr<Mesh> run();

 private:
  struct Link {
    Greeter* control = nullptr;
    Greeter* data = nullptr;
    int64_t retryNs = 0;
    bool isRefused = false;  // nobody listens
  };

  bool prepare();
  bool isComplete() const;
  bool isComplete(uint32_t peer) const;
  void callMissing();
  void call(uint32_t peer, Channel channel);
  void acceptAll();
  void wait();
  void advance(Greeter& greeter);
  void onCallerReads(Greeter& greeter);
  void onCalledReads(Greeter& greeter);
  Answer judge(const Greeter& greeter) const;
  void openRegion(Greeter& greeter);
  void settleSharing(uint32_t peer, Sharing mine, Sharing theirs);
  void drop(Greeter& greeter);
  void sweep();
  void outOfTime();
  std::unique_ptr<Mesh> finish();

  const FormationRequest& request_;
  const Descriptor& listener_;
  Interrupt& interrupt_;
  Failure& failure_;
  std::vector<Peer> peers_;
  std::vector<Link> links_;
  std::vector<SocketAddress> addresses_;
  std::unique_ptr<SharedRegion> region_;
  Sharing regionState_ = Sharing::SwitchedOff;
  std::list<Greeter> greeters_;
  std::string refused_;  // the last stranger, for the text
};

std::unique_ptr<Mesh> Formation::run() {
  if (!prepare()) return nullptr;
  while (!isComplete()) {
    if (interrupt_.isRaised()) {
      failure_ = interrupt_.cause();
    } else if (nowNs() >= request_.deadlineNs) {
      outOfTime();
    }
    if (failure_) return nullptr;
    callMissing();
    wait();
    if (failure_) return nullptr;
    sweep();
  }
  return finish();
}

bool Formation::prepare() {
  for (const Endpoint& endpoint : request_.endpoints) {
    if (addresses_.emplace_back().parse(endpoint.address, endpoint.port)) continue;
    failure_.set(FailureKind::Input, "\"" + endpoint.address + "\" is no IP address");
    return false;
  }
  const auto size = static_cast<uint32_t>(peers_.size());
  for (uint32_t peer = 0; peer < size; peer++) peers_[peer].rank = peer;
  if (request_.sharesMemory && size > 1) {
    constexpr uint32_t kSmallRing = 64 * 1024;
    region_ = SharedRegion::make(request_.rank, size, request_.ringBytes, regionState_);
    if (region_ == nullptr && regionState_ == Sharing::NoSpace) region_ = SharedRegion::make(request_.rank, size, kSmallRing, regionState_);
  }
  return true;
}

bool Formation::isComplete(uint32_t peer) const {
  const Link& link = links_[peer];
  if (peer == request_.rank) return true;
  if (link.control == nullptr || link.control->step != Greeter::Done) return false;
  return peers_[peer].shares() || (link.data != nullptr && link.data->step == Greeter::Done);
}

bool Formation::isComplete() const {
  for (uint32_t peer = 0; peer < peers_.size(); peer++) {
    if (!isComplete(peer)) return false;
  }
  return true;
}

void Formation::callMissing() {
  const int64_t now = nowNs();
  for (uint32_t peer = 0; peer < request_.rank; peer++) {
    Link& link = links_[peer];
    if (now < link.retryNs) continue;
    if (link.control == nullptr) {
      call(peer, Channel::Control);
    } else if (link.control->step == Greeter::Done && !peers_[peer].shares() && link.data == nullptr) {
      call(peer, Channel::Data);
    }
  }
}

void Formation::call(uint32_t peer, Channel channel) {
  Greeter& greeter = greeters_.emplace_back();
  greeter.isCaller = true;
  greeter.peer = peer;
  greeter.channel = channel;
  greeter.limitNs = request_.deadlineNs;
  (channel == Channel::Control ? links_[peer].control : links_[peer].data) = &greeter;
  greeter.mine.epoch = request_.epoch;
  greeter.mine.from = request_.rank;
  greeter.mine.to = peer;
  greeter.mine.rankSize = static_cast<uint32_t>(peers_.size());
  greeter.mine.channel = channel;
  greeter.mine.proof = request_.shown[peer];
  if (channel == Channel::Control) greeter.mine.setOffer(region_ != nullptr ? region_->offer() : RegionOffer{regionState_, 0, 0, {}});
  greeter.socket = Descriptor(::socket(addresses_[peer].storage.ss_family, SOCK_STREAM, 0));
  if (!greeter.socket.isOpen()) return drop(greeter);
  configure(greeter.socket.number());
  // Peers know this rank by its address. Where that is not one of this machine (behind a translation, say) the system chooses
  SocketAddress own = addresses_[request_.rank];
  if (own.storage.ss_family == addresses_[peer].storage.ss_family && own.parse(request_.endpoints[request_.rank].address, 0)) {
    [[maybe_unused]] const int bound = ::bind(greeter.socket.number(), own.get(), own.length);
  }
  if (::connect(greeter.socket.number(), addresses_[peer].get(), addresses_[peer].length) != 0 && errno != EINPROGRESS && errno != EINTR) drop(greeter);
}

void Formation::acceptAll() {
  for (;;) {
    SocketAddress remote;
    remote.length = sizeof(remote.storage);
    Descriptor socket(::accept(listener_.number(), remote.get(), &remote.length));
    if (!socket.isOpen()) return;
    const bool isKnown = std::any_of(addresses_.begin(), addresses_.end(), [&](const SocketAddress& address) { return address.hasHostOf(remote); });
    if (!isKnown || greeters_.size() > kMostStrangers + 2 * peers_.size()) {
      refused_ = "a connection from an address of no rank";
      continue;
    }
    configure(socket.number());
    Greeter& greeter = greeters_.emplace_back();
    greeter.socket = std::move(socket);
    greeter.remote = remote;
    greeter.limitNs = nowNs() + kGreetingNs;
    greeter.peer = static_cast<uint32_t>(peers_.size());
    greeter.step = Greeter::Reading;
  }
}

void Formation::wait() {
  std::vector<pollfd> watched = {{interrupt_.descriptor(), POLLIN, 0}, {listener_.number(), POLLIN, 0}};
  std::vector<Greeter*> greeters;
  for (Greeter& greeter : greeters_) {
    watched.push_back({greeter.socket.number(), greeter.events(), 0});
    greeters.push_back(&greeter);
  }
  const int64_t leftNs = std::min(request_.deadlineNs - nowNs(), kRetryNs);
  ::poll(watched.data(), watched.size(), static_cast<int>(std::max<int64_t>(leftNs / 1'000'000, 1)));
  for (size_t i = 0; i < greeters.size() && !failure_; i++) {
    if (watched[i + 2].revents != 0) advance(*greeters[i]);
  }
  acceptAll();
}

void Formation::advance(Greeter& greeter) {
  if (greeter.step == Greeter::Done) {
    greeter.step = Greeter::Broken;  // the other side has closed
    return;
  }
  if (greeter.step == Greeter::Connecting) {
    int error = 0;
    socklen_t length = sizeof(error);
    ::getsockopt(greeter.socket.number(), SOL_SOCKET, SO_ERROR, &error, &length);
    links_[greeter.peer].isRefused = error != 0;
    greeter.go(error == 0 ? Greeter::Sending : Greeter::Broken);
    if (error != 0) return;
  }
  if (!greeter.move()) return;
  switch (greeter.step) {
    case Greeter::Sending:
      // The caller waits for the answer; the called one has answered, and waits for what the caller found
      if (greeter.isCaller) return greeter.go(Greeter::Reading);
      if (greeter.mine.answer != Answer::Welcome) return greeter.go(Greeter::Broken);
      return greeter.go(greeter.channel == Channel::Data ? Greeter::Done : Greeter::Confirming);
    case Greeter::Reading:
      return greeter.isCaller ? onCallerReads(greeter) : onCalledReads(greeter);
    case Greeter::Confirming:
      if (!greeter.isCaller) settleSharing(greeter.peer, greeter.mine.found, greeter.theirs.found);
      return greeter.go(Greeter::Done);
    default:
      return;
  }
}

void Formation::onCallerReads(Greeter& greeter) {
  const int peer = static_cast<int>(greeter.peer);
  const std::string name = "rank " + std::to_string(peer);
  const Greeting& theirs = greeter.theirs;
  if (theirs.answer == Answer::NotYet || theirs.answer == Answer::Taken) return greeter.go(Greeter::Broken);
  if (theirs.answer == Answer::Epoch) return failPeer(failure_, FailureKind::Peer, PeerFault::Epoch, peer, name + " is in a later epoch");
  if (theirs.answer == Answer::Address) return failPeer(failure_, FailureKind::Peer, PeerFault::Address, peer, name + " does not expect this rank at this address");
  const bool isPeer = theirs.isGreeting() && theirs.from == greeter.peer && theirs.to == request_.rank && theirs.epoch == request_.epoch;
  if (theirs.answer != Answer::Welcome || !isPeer || !isSame(theirs.proof, request_.expected[greeter.peer])) {
    return failPeer(failure_, FailureKind::Peer, PeerFault::Token, peer, name + " does not know the token of this formation");
  }
  if (greeter.channel == Channel::Data) return greeter.go(Greeter::Done);
  openRegion(greeter);
  settleSharing(greeter.peer, greeter.mine.found, theirs.found);
  greeter.go(Greeter::Confirming);
}

void Formation::onCalledReads(Greeter& greeter) {
  const Greeting& theirs = greeter.theirs;
  if (!theirs.isGreeting() || theirs.rankSize != peers_.size() || theirs.from >= peers_.size() || theirs.to != request_.rank || theirs.from <= request_.rank) {
    return greeter.go(Greeter::Broken);
  }
  greeter.channel = theirs.channel;
  greeter.mine = Greeting();
  greeter.mine.answer = judge(greeter);
  greeter.mine.epoch = request_.epoch;
  greeter.mine.from = request_.rank;
  greeter.mine.to = theirs.from;
  greeter.mine.channel = theirs.channel;
  if (greeter.mine.answer == Answer::Welcome) {
    greeter.peer = theirs.from;
    greeter.mine.proof = request_.shown[greeter.peer];
    (theirs.channel == Channel::Control ? links_[greeter.peer].control : links_[greeter.peer].data) = &greeter;
    if (theirs.channel == Channel::Control) {
      greeter.mine.setOffer(region_ != nullptr ? region_->offer() : RegionOffer{regionState_, 0, 0, {}});
      openRegion(greeter);
    }
  } else if (greeter.mine.answer == Answer::Token || greeter.mine.answer == Answer::Address) {
    refused_ = "a connection that says to be of rank " + std::to_string(theirs.from) + " with another " + (greeter.mine.answer == Answer::Token ? "token" : "address");
  }
  greeter.go(Greeter::Sending);
}

Answer Formation::judge(const Greeter& greeter) const {
  const Greeting& theirs = greeter.theirs;
  if (theirs.epoch < request_.epoch) return Answer::Epoch;
  if (theirs.epoch > request_.epoch) return Answer::NotYet;
  if (!isSame(theirs.proof, request_.expected[theirs.from])) return Answer::Token;
  if (!addresses_[theirs.from].hasHostOf(greeter.remote)) return Answer::Address;
  const Link& link = links_[theirs.from];
  if (theirs.channel == Channel::Control) return link.control == nullptr ? Answer::Welcome : Answer::Taken;
  return link.control != nullptr && link.control->step == Greeter::Done && link.data == nullptr ? Answer::Welcome : Answer::NotYet;
}

/** Looks whether what the peer offers can be had here. */
void Formation::openRegion(Greeter& greeter) {
  Peer& peer = peers_[greeter.peer];
  peer.region.reset();
  greeter.mine.found = regionState_;
  if (region_ != nullptr) peer.region = SharedRegion::open(greeter.theirs.offer(), static_cast<uint32_t>(peers_.size()), greeter.mine.found);
}

/** Memory is shared when both have found that of the other. */
void Formation::settleSharing(uint32_t peer, Sharing mine, Sharing theirs) {
  Peer& other = peers_[peer];
  other.sharing = mine != Sharing::Shared ? mine : theirs;
  if (!other.shares()) {
    other.region.reset();
    return;
  }
  other.out = region_->ringTo(peer);
  other.in = other.region->ringTo(request_.rank);
}

void Formation::drop(Greeter& greeter) { greeter.step = Greeter::Broken; }

/** Takes away what is broken or has said nothing in time; calls are made again. */
void Formation::sweep() {
  const int64_t now = nowNs();
  for (auto it = greeters_.begin(); it != greeters_.end();) {
    Greeter& greeter = *it;
    if (greeter.step != Greeter::Broken && (greeter.step == Greeter::Done || now < greeter.limitNs)) {
      ++it;
      continue;
    }
    if (greeter.peer < links_.size()) {
      Link& link = links_[greeter.peer];
      if (link.control == &greeter) {
        link.control = nullptr;
        peers_[greeter.peer].sharing = Sharing::SwitchedOff;
        peers_[greeter.peer].region.reset();
        if (link.data != nullptr) link.data->step = Greeter::Broken;
      }
      if (link.data == &greeter) link.data = nullptr;
      link.retryNs = now + kRetryNs;
    }
    it = greeters_.erase(it);
  }
}

void Formation::outOfTime() {
  for (uint32_t peer = 0; peer < peers_.size(); peer++) {
    if (isComplete(peer)) continue;
    const bool isUnreachable = links_[peer].isRefused;
    std::string text = "rank " + std::to_string(peer) + (isUnreachable ? " cannot be reached at " : " has not connected; expected at ") + request_.endpoints[peer].address;
    if (isUnreachable) text += " port " + std::to_string(request_.endpoints[peer].port);
    if (!refused_.empty()) text += "; refused was " + refused_;
    failPeer(failure_, isUnreachable ? FailureKind::Peer : FailureKind::Deadline, isUnreachable ? PeerFault::Unreachable : PeerFault::Silent, static_cast<int>(peer),
             std::move(text));
    return;
  }
}

std::unique_ptr<Mesh> Formation::finish() {
  bool shares = false;
  for (uint32_t peer = 0; peer < peers_.size(); peer++) {
    if (links_[peer].control != nullptr) peers_[peer].control = std::move(links_[peer].control->socket);
    if (links_[peer].data != nullptr) peers_[peer].data = std::move(links_[peer].data->socket);
    shares = shares || peers_[peer].shares();
  }
  if (region_ != nullptr) region_->unlink();
  if (!shares) region_.reset();
  return std::make_unique<Mesh>(request_.rank, request_.epoch, std::move(peers_), std::move(region_), interrupt_);
}

std::unique_ptr<Mesh> formMesh(const FormationRequest& request, const Descriptor& listener, Interrupt& interrupt, Failure& failure) {
  return Formation(request, listener, interrupt, failure).run();
}

Descriptor listenAt(Endpoint& endpoint, Failure& failure) {
  SocketAddress address;
  if (!address.parse(endpoint.address, endpoint.port)) {
    failure.set(FailureKind::Input, "\"" + endpoint.address + "\" is no IP address");
    return {};
  }
  Descriptor listener(::socket(address.storage.ss_family, SOCK_STREAM, 0));
  const int on = 1;
  if (listener.isOpen()) ::setsockopt(listener.number(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  SocketAddress bound;
  bound.length = sizeof(bound.storage);
  if (!listener.isOpen() || ::bind(listener.number(), address.get(), address.length) != 0 || ::listen(listener.number(), 128) != 0 ||
      ::getsockname(listener.number(), bound.get(), &bound.length) != 0) {
    failure.set(FailureKind::Load, "cannot listen at " + endpoint.address + " port " + std::to_string(endpoint.port) + ": " + std::strerror(errno));
    return {};
  }
  ::fcntl(listener.number(), F_SETFL, O_NONBLOCK);
  ::fcntl(listener.number(), F_SETFD, FD_CLOEXEC);
  endpoint.port = bound.port();
  return listener;
}

}  // namespace mserve::rank
