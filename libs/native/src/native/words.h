#pragma once

#include <cstddef>

/**
 * The layout of the numbers (Float64Array) that TypeScript and the addon hand each other. The same names and order are in word-layout.ts;
 * word-layout.spec.ts holds both equal.
 */
namespace mserve::words {

/** A run that is submitted. From `inputs` on: for each input its rank, then its dims; -1 for one that is left out. */
enum Submitted : size_t { submittedSlot, submittedInlineBelowUs, submittedInputs };

/** A settled run. From `outputs` on: its outputs, one after the other; none of a failure, whose text is the next extra. */
enum Settled : size_t { settledSlot, settledFailureKind, settledRuntimeCode, settledOutputCount, settledOutputs };

/** Before the dims of an output. */
enum OutputHead : size_t { outputType, outputRank, outputDims };

/** After the dims of an output. place >= 0: offset into the bytes; -1: the next extra is its ArrayBuffer. */
enum OutputTail : size_t { outputByteLength, outputPlace, outputEnd };

/** A mesh that a rank is to form. From `ports` on: the port of each rank. */
enum Formed : size_t { formedEpoch, formedDeadlineMs, formedSharesMemory, formedPorts };

/** A batch that a rank is to execute. From `inputs` on: for each input its rank, then its dims. */
enum Batch : size_t { batchSlot, batchNumber, batchWantsResults, batchDeadlineMs, batchInputs };

}  // namespace mserve::words
