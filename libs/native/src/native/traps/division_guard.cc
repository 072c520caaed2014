#include "traps/division_guard.h"

#if MSERVE_DIVISIONS_TRAP

#include <dlfcn.h>
#include <link.h>
#include <signal.h>

#include <cstddef>
#include <mutex>

namespace mserve {

namespace {

/** Machine code of one segment of a library. Written before it is counted, never changed after. */
struct Text {
  uintptr_t begin = 0;
  uintptr_t end = 0;
};

constexpr size_t kMaxTexts = 64;
Text texts[kMaxTexts];
std::atomic<size_t> textCount{0};

/** What SIGFPE did before; written once, before the handler is installed. */
struct sigaction previous;

/** Where this thread's divisions count; null outside of any guard. */
thread_local DivisionTraps* current = nullptr;

bool isGuarded(greg_t instruction) {
  const auto address = static_cast<uintptr_t>(instruction);
  const size_t count = textCount.load(std::memory_order_acquire);
  for (size_t i = 0; i < count; i++) {
    if (address >= texts[i].begin && address < texts[i].end) return true;
  }
  return false;
}

/** Not ours: to the previous handler, or to the system, which ends the process as if this handler had never been. */
void passOn(int signal, siginfo_t* cause, void* context) {
  if ((previous.sa_flags & SA_SIGINFO) != 0) {
    previous.sa_sigaction(signal, cause, context);
    return;
  }
  const bool isFault = cause->si_code > 0;  // else somebody sent it
  if (previous.sa_handler == SIG_IGN && !isFault) return;
  if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) {
    previous.sa_handler(signal);
    return;
  }
  ::sigaction(signal, &previous, nullptr);
  if (!isFault) ::raise(signal);  // a fault comes again by itself: the instruction is executed once more
}

void onDivisionTrap(int signal, siginfo_t* cause, void* context) {
  DivisionTraps* const traps = current;
  auto* const interrupted = static_cast<ucontext_t*>(context);
  if (cause->si_code == FPE_INTDIV && traps != nullptr && isGuarded(interrupted->uc_mcontext.gregs[REG_RIP])) {
    const SettledDivision settled = settleDivision(*interrupted);
    if (settled == SettledDivision::Undefined) traps->add();
    if (settled != SettledDivision::None) return;
  }
  passOn(signal, cause, context);
}

/** The handler outlives every environment: Node unloads an addon when the last worker thread that had loaded it ends. */
void stayLoaded() {
  Dl_info own;
  if (::dladdr(reinterpret_cast<void*>(&onDivisionTrap), &own) != 0) ::dlopen(own.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
}

void install() {
  stayLoaded();
  struct sigaction action = {};
  action.sa_sigaction = &onDivisionTrap;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  ::sigemptyset(&action.sa_mask);
  if (::sigaction(SIGFPE, nullptr, &previous) == 0) ::sigaction(SIGFPE, &action, nullptr);
}

int addTextsOf(dl_phdr_info* library, size_t, void* symbol) {
  const auto address = reinterpret_cast<uintptr_t>(symbol);
  bool holdsSymbol = false;
  for (size_t i = 0; i < library->dlpi_phnum; i++) {
    const auto& segment = library->dlpi_phdr[i];
    const uintptr_t begin = library->dlpi_addr + segment.p_vaddr;
    if (segment.p_type == PT_LOAD && address >= begin && address < begin + segment.p_memsz) holdsSymbol = true;
  }
  if (!holdsSymbol) return 0;
  for (size_t i = 0; i < library->dlpi_phnum; i++) {
    const auto& segment = library->dlpi_phdr[i];
    const uintptr_t begin = library->dlpi_addr + segment.p_vaddr;
    const size_t count = textCount.load(std::memory_order_relaxed);
    if (segment.p_type != PT_LOAD || (segment.p_flags & PF_X) == 0 || count == kMaxTexts) continue;
    texts[count] = {begin, begin + segment.p_memsz};
    textCount.store(count + 1, std::memory_order_release);
  }
  return 1;
}

}  // namespace

DivisionGuard::DivisionGuard(DivisionTraps& traps) : outer_(current) {
  current = &traps;
  std::atomic_signal_fence(std::memory_order_seq_cst);
}

DivisionGuard::~DivisionGuard() {
  std::atomic_signal_fence(std::memory_order_seq_cst);
  current = outer_;
}

void guardDivisionsOf(const void* symbol) {
  static std::mutex mutex;
  static bool isInstalled = false;
  std::lock_guard<std::mutex> lock(mutex);
  if (!isInstalled) install();
  isInstalled = true;
  const auto address = reinterpret_cast<uintptr_t>(symbol);
  if (!isGuarded(static_cast<greg_t>(address))) ::dl_iterate_phdr(&addTextsOf, const_cast<void*>(symbol));
}

}  // namespace mserve

#else

namespace mserve {
void guardDivisionsOf(const void*) {}
}  // namespace mserve

#endif
