#pragma once

#include "onnxruntime/ort_library.h"
#include "traps/division_guard.h"

namespace mserve::ort {

/** Lets the threads of a session's own pools count integer divisions by zero in `traps`, which must outlive the session. */
bool guardPoolThreads(const Library& library, SessionOptions* options, DivisionTraps& traps, Failure& failure);

}  // namespace mserve::ort
