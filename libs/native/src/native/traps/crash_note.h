#pragma once

#include <cstdint>
#include <string>

namespace mserve {

/**
 * From now on, when a fault (SIGSEGV, SIGBUS, SIGILL, SIGABRT) ends the process, a line on stderr says what this thread was doing: `note`. When another thread
 * faults, the line has the notes of all threads: a package may have threads of its own. `thread`: the kernel's id; an empty note takes it back. Any
 * thread may call it; it does nothing on other systems than Linux, and beyond 256 threads.
 *
 * Faults that somebody else's handler settles (V8's, for WebAssembly) are told from others by where they happen: in no file.
 */
void noteCrash(int64_t thread, const std::string& note);

}  // namespace mserve
