#pragma once

/** Processes of a test that stop themselves (SIGSTOP) at moments that their tracer knows, so that they can be killed at each step. */
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <string>
#include <thread>
#include <vector>

namespace traced {

constexpr int kPatienceMs = 20'000;

inline void require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "wrong: %s\n", what);
  std::_Exit(1);
}

inline void untilTrue(const std::function<bool()>& condition, const char* what) {
  for (int i = 0; i < kPatienceMs; i++) {
    if (condition()) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  require(false, what);
}

/** Whether any process has an abstract Unix socket of this name; `form` is that of printf, with the number. */
inline bool hasSocket(const char* form, unsigned long long number) {
  char name[64];
  std::snprintf(name, sizeof name, form, number);
  std::ifstream sockets("/proc/net/unix");
  for (std::string line; std::getline(sockets, line);) {
    if (line.find(name) != std::string::npos) return true;
  }
  return false;
}

/** In the process that is to be traced: its first stop. */
inline void stopTraced() {
  ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
  ::raise(SIGSTOP);
}

/** This program with other arguments; it ends with this process at the latest. */
inline pid_t start(std::vector<std::string> arguments) {
  char path[4096] = {};
  require(::readlink("/proc/self/exe", path, sizeof path - 1) > 0, "this program is nowhere");
  std::vector<char*> argv = {path};
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::execv(path, argv.data());
    std::_Exit(127);
  }
  return pid;
}

/** Waits for the next stop; false: the process has ended, and not by a fault. */
inline bool isStopped(pid_t pid, int& signal) {
  int status = 0;
  require(::waitpid(pid, &status, 0) == pid, "a process cannot be waited for");
  if (WIFSTOPPED(status)) {
    signal = WSTOPSIG(status);
    return true;
  }
  require(WIFEXITED(status) && WEXITSTATUS(status) == 0, "a process failed");
  return false;
}

/** Lets a process go on up to its next own stop. */
inline bool toNextStop(pid_t pid) {
  int signal = 0;
  ::ptrace(PTRACE_CONT, pid, nullptr, nullptr);
  while (isStopped(pid, signal)) {
    if (signal == SIGSTOP) return true;
    ::ptrace(PTRACE_CONT, pid, nullptr, reinterpret_cast<void*>(static_cast<intptr_t>(signal)));
  }
  return false;
}

/** Up to `count` steps (system calls, or instructions) from here; false: it came to its own next stop before. `made`: how many. */
inline bool steps(pid_t pid, bool isInstruction, int count, int* made = nullptr) {
  for (int i = 0; i < count; i++) {
    int signal = 0;
    ::ptrace(isInstruction ? PTRACE_SINGLESTEP : PTRACE_SYSCALL, pid, nullptr, nullptr);
    require(isStopped(pid, signal), "a process ended early");
    if (signal == SIGSTOP) return false;
    if (made != nullptr) *made = i + 1;
  }
  return true;
}

inline void kill(pid_t pid) {
  ::kill(pid, SIGKILL);
  int status = 0;
  ::waitpid(pid, &status, 0);
}

inline pid_t begun(std::vector<std::string> arguments, int stop) {
  const pid_t pid = start(std::move(arguments));
  int signal = 0;
  require(isStopped(pid, signal) && (signal == SIGSTOP || signal == SIGTRAP), "a process does not begin");
  // The exec of a traced process stops it once more where it was traced before
  for (int i = 0; i < stop; i++) require(toNextStop(pid), "a process does not come so far");
  return pid;
}

}  // namespace traced
