#include "traps/crash_note.h"

#if defined(__linux__)

#include <dlfcn.h>
#include <signal.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstring>
#include <mutex>

namespace mserve {

namespace {

constexpr size_t kMostThreads = 256;
constexpr size_t kLongestNote = 480;

/** `thread` is written last, and taken away first. */
struct Note {
  std::atomic<int64_t> thread{0};
  char text[kLongestNote] = {};
};

Note notes[kMostThreads];
constexpr int kSignals[] = {SIGSEGV, SIGBUS, SIGILL, SIGABRT};
/** What the signals did before; written once, before the handlers are installed. */
struct sigaction previous[sizeof(kSignals) / sizeof(*kSignals)];
/** One line is enough, whatever other threads run into meanwhile. */
std::atomic<bool> isTold{false};

const char* nameOf(int signal) {
  switch (signal) {
    case SIGSEGV:
      return "SIGSEGV";
    case SIGBUS:
      return "SIGBUS";
    case SIGILL:
      return "SIGILL";
    default:
      return "SIGABRT";
  }
}

/** A line that is put together without memory of its own making. */
class Line {
 public:
  void add(const char* text) {
    for (; *text != '\0' && length_ < sizeof(text_) - 1; text++) text_[length_++] = *text;
  }
  void write() {
    text_[length_++] = '\n';
    for (size_t at = 0; at < length_;) {
      const ssize_t wrote = ::write(STDERR_FILENO, text_ + at, length_ - at);
      if (wrote <= 0) return;
      at += static_cast<size_t>(wrote);
    }
  }

 private:
  char text_[2048];
  size_t length_ = 0;
};

/** Code that lies in no file was made by V8, whose handler settles its faults. */
bool isInFile(void* context) {
#if defined(__x86_64__)
  const auto code = static_cast<uintptr_t>(static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_RIP]);
#elif defined(__aarch64__)
  const auto code = static_cast<uintptr_t>(static_cast<ucontext_t*>(context)->uc_mcontext.pc);
#else
  const uintptr_t code = 0;
#endif
  Dl_info found;
  return code == 0 || ::dladdr(reinterpret_cast<void*>(code), &found) != 0;
}

void tell(int signal) {
  if (isTold.exchange(true)) return;
  const auto own = static_cast<int64_t>(::syscall(SYS_gettid));
  Line line;
  line.add("mserve: ");
  line.add(nameOf(signal));
  line.add(" ends this process");
  const char* before = ", perhaps by what is loaded in: ";
  for (const Note& note : notes) {
    if (note.thread.load(std::memory_order_acquire) != own) continue;
    line.add(", in ");
    line.add(note.text);
    before = nullptr;
    break;
  }
  for (size_t i = 0; before != nullptr && i < kMostThreads; i++) {
    if (notes[i].thread.load(std::memory_order_acquire) == 0) continue;
    line.add(before);
    line.add(notes[i].text);
    before = "; ";
  }
  line.write();
}

void passOn(int signal, siginfo_t* cause, void* context, const struct sigaction& before) {
  if ((before.sa_flags & SA_SIGINFO) != 0) {
    before.sa_sigaction(signal, cause, context);
    return;
  }
  if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN) {
    before.sa_handler(signal);
    return;
  }
  ::sigaction(signal, &before, nullptr);
  if (cause->si_code <= 0) ::raise(signal);  // a fault comes again by itself: the instruction is executed once more
}

void onCrash(int signal, siginfo_t* cause, void* context) {
  if (signal == SIGABRT || cause->si_code <= 0 || isInFile(context)) tell(signal);
  for (size_t i = 0; i < sizeof(kSignals) / sizeof(*kSignals); i++) {
    if (kSignals[i] == signal) passOn(signal, cause, context, previous[i]);
  }
}

void install() {
  // The handler outlives every environment: Node unloads an addon when the last thread that had loaded it ends.
  Dl_info own;
  if (::dladdr(reinterpret_cast<void*>(&onCrash), &own) != 0) ::dlopen(own.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
  struct sigaction action = {};
  action.sa_sigaction = &onCrash;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  ::sigemptyset(&action.sa_mask);
  for (size_t i = 0; i < sizeof(kSignals) / sizeof(*kSignals); i++) {
    if (::sigaction(kSignals[i], nullptr, &previous[i]) == 0) ::sigaction(kSignals[i], &action, nullptr);
  }
}

Note* find(int64_t thread) {
  for (Note& note : notes) {
    if (note.thread.load(std::memory_order_relaxed) == thread) return &note;
  }
  return nullptr;
}

}  // namespace

void noteCrash(int64_t thread, const std::string& text) {
  static std::mutex mutex;
  static bool isInstalled = false;
  std::lock_guard<std::mutex> lock(mutex);
  Note* note = find(thread);
  if (text.empty()) {
    if (note != nullptr) note->thread.store(0, std::memory_order_release);
    return;
  }
  if (!isInstalled) install();
  isInstalled = true;
  if (note == nullptr) note = find(0);
  if (note == nullptr) return;
  note->thread.store(0, std::memory_order_release);
  const size_t length = std::min(text.size(), kLongestNote - 1);
  std::memcpy(note->text, text.data(), length);
  note->text[length] = '\0';
  note->thread.store(thread, std::memory_order_release);
}

}  // namespace mserve

#else

namespace mserve {
void noteCrash(int64_t, const std::string&) {}
}  // namespace mserve

#endif
