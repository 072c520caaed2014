/**
 * The layout of the numbers (Float64Array) that TypeScript and the addon hand each other: offsets, in words. The same names and order are in
 * native/words.h; word-layout.spec.ts holds both equal.
 */

/** A run that is submitted. From `inputs` on: for each input its rank, then its dims; -1 for one that is left out. */
export const submitted = { slot: 0, inlineBelowUs: 1, inputs: 2 } as const;

/** A settled run. From `outputs` on: its outputs, one after the other; none of a failure, whose text is the next extra. */
export const settled = { slot: 0, failureKind: 1, runtimeCode: 2, outputCount: 3, outputs: 4 } as const;

/** Before the dims of an output. */
export const outputHead = { type: 0, rank: 1, dims: 2 } as const;

/** After the dims of an output. place >= 0: offset into the bytes; -1: the next extra is its ArrayBuffer. */
export const outputTail = { byteLength: 0, place: 1, end: 2 } as const;

/** A mesh that a rank is to form. From `ports` on: the port of each rank. */
export const formed = { epoch: 0, deadlineMs: 1, sharesMemory: 2, ports: 3 } as const;

/** A batch that a rank is to execute. From `inputs` on: for each input its rank, then its dims. */
export const batch = { slot: 0, number: 1, wantsResults: 2, deadlineMs: 3, inputs: 4 } as const;
