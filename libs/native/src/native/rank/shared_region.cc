#include "rank/shared_region.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <new>
#include <random>

#include "rank/descriptor.h"

#ifdef __linux__
#include <dirent.h>
#include <linux/futex.h>
#include <sys/file.h>
#include <sys/syscall.h>
#endif

namespace mserve::rank {

namespace {

constexpr uint64_t kMagic = 0x3167722e76726573;  // "serv.rg1"
constexpr size_t kHeadBytes = 4096;
constexpr char kPrefix[] = "/mserve-rank-";
constexpr time_t kLeftBehindS = 60;

size_t bytesOf(uint32_t rankSize, uint32_t ringBytes) { return kHeadBytes + static_cast<size_t>(rankSize) * (sizeof(RingControl) + ringBytes); }

uint64_t randomNumber() {
  std::random_device device;
  return static_cast<uint64_t>(device()) << 32 | device();
}

Sharing reasonOf(int error) {
  switch (error) {
    case ENOSPC:
    case ENOMEM:
    case EDQUOT:
    case EFBIG:
      return Sharing::NoSpace;
    case EACCES:
    case EPERM:
    case EROFS:
      return Sharing::Forbidden;
    case ENOENT:
      return Sharing::OtherHost;
    default:
      return Sharing::SwitchedOff;
  }
}

void* mapAll(int file, size_t bytes) {
  void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  return memory == MAP_FAILED ? nullptr : memory;
}

}  // namespace

#ifdef __linux__

std::unique_ptr<SharedRegion> SharedRegion::make(uint32_t rank, uint32_t rankSize, uint32_t ringBytes, Sharing& sharing) {
  const uint64_t nonce = randomNumber();
  sweepRegions();
  const std::string name = std::string(kPrefix) + std::to_string(::getpid()) + "-" + std::to_string(rank) + "-" + std::to_string(nonce);
  Descriptor file(::shm_open(name.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600));
  if (!file.isOpen()) {
    sharing = reasonOf(errno == ENOENT ? EPERM : errno);
    return nullptr;
  }
  ::flock(file.number(), LOCK_EX | LOCK_NB);
  const size_t bytes = bytesOf(rankSize, ringBytes);
  const int error = ::posix_fallocate(file.number(), 0, static_cast<off_t>(bytes));
  void* memory = error == 0 ? mapAll(file.number(), bytes) : nullptr;
  if (memory == nullptr) {
    ::shm_unlink(name.c_str());
    sharing = reasonOf(error != 0 ? error : errno);
    return nullptr;
  }
  auto* head = new (memory) RegionHead{};
  head->nonce = nonce;
  head->rankSize = rankSize;
  head->ringBytes = ringBytes;
  head->magic = kMagic;
  sharing = Sharing::Shared;
  auto region = std::unique_ptr<SharedRegion>(new SharedRegion({Sharing::Shared, ringBytes, nonce, name}, rankSize, memory, bytes, true));
  region->file_ = std::move(file);
  return region;
}

std::unique_ptr<SharedRegion> SharedRegion::open(const RegionOffer& offer, uint32_t rankSize, Sharing& sharing) {
  if (offer.sharing != Sharing::Shared) {
    sharing = offer.sharing;
    return nullptr;
  }
  const Descriptor file(::shm_open(offer.name.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0));
  struct stat status = {};
  if (!file.isOpen() || ::fstat(file.number(), &status) != 0) {
    sharing = reasonOf(errno);
    return nullptr;
  }
  const size_t bytes = bytesOf(rankSize, offer.ringBytes);
  sharing = Sharing::OtherHost;
  if (static_cast<uint64_t>(status.st_size) != bytes) return nullptr;
  void* memory = mapAll(file.number(), bytes);
  if (memory == nullptr) {
    sharing = reasonOf(errno);
    return nullptr;
  }
  auto region = std::unique_ptr<SharedRegion>(new SharedRegion(offer, rankSize, memory, bytes, false));
  const RegionHead& head = region->head();
  if (head.magic != kMagic || head.nonce != offer.nonce || head.rankSize != rankSize || head.ringBytes != offer.ringBytes) return nullptr;
  sharing = Sharing::Shared;
  return region;
}

void sweepRegions() {
  DIR* const folder = ::opendir("/dev/shm");
  if (folder == nullptr) return;
  while (const dirent* const entry = ::readdir(folder)) {
    const std::string name = std::string("/") + entry->d_name;
    if (name.compare(0, sizeof(kPrefix) - 1, kPrefix) != 0) continue;
    const Descriptor file(::shm_open(name.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0));
    struct stat status = {};
    if (!file.isOpen() || ::fstat(file.number(), &status) != 0 || status.st_mtime + kLeftBehindS > ::time(nullptr)) continue;
    if (::flock(file.number(), LOCK_EX | LOCK_NB) == 0) ::shm_unlink(name.c_str());
  }
  ::closedir(folder);
}

void waitForDoorbell(std::atomic<uint32_t>& doorbell, uint32_t seen, int64_t ns) {
  const timespec limit = {static_cast<time_t>(ns / 1'000'000'000), static_cast<long>(ns % 1'000'000'000)};
  ::syscall(SYS_futex, reinterpret_cast<uint32_t*>(&doorbell), FUTEX_WAIT, seen, &limit, nullptr, 0);
}

void ringDoorbell(std::atomic<uint32_t>& doorbell) {
  doorbell.fetch_add(1, std::memory_order_seq_cst);
  ::syscall(SYS_futex, reinterpret_cast<uint32_t*>(&doorbell), FUTEX_WAKE, INT32_MAX, nullptr, nullptr, 0);
}

#else  // no futexes: ranks on one host use TCP

std::unique_ptr<SharedRegion> SharedRegion::make(uint32_t, uint32_t, uint32_t, Sharing& sharing) {
  sharing = Sharing::SwitchedOff;
  return nullptr;
}

std::unique_ptr<SharedRegion> SharedRegion::open(const RegionOffer&, uint32_t, Sharing& sharing) {
  sharing = Sharing::SwitchedOff;
  return nullptr;
}

void sweepRegions() {}
void waitForDoorbell(std::atomic<uint32_t>&, uint32_t, int64_t) {}
void ringDoorbell(std::atomic<uint32_t>&) {}

#endif

SharedRegion::~SharedRegion() {
  unlink();
  ::munmap(memory_, bytes_);
}

Ring SharedRegion::ringTo(uint32_t peer) {
  auto* start = static_cast<uint8_t*>(memory_) + kHeadBytes;
  auto* controls = reinterpret_cast<RingControl*>(start);
  uint8_t* rings = start + rankSize_ * sizeof(RingControl);
  return Ring(&controls[peer], rings + static_cast<size_t>(peer) * offer_.ringBytes, offer_.ringBytes);
}

void SharedRegion::unlink() {
  if (isOwner_) ::shm_unlink(offer_.name.c_str());
  isOwner_ = false;
  file_.close();
}

}  // namespace mserve::rank
