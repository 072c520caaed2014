import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { NativeError } from './native-error.js';

/** One value of a model as the addon describes it. */
export interface BoundValue {
  readonly name: string;
  readonly type: number;
  /** False: the model does not say how many dims there are. */
  readonly hasShape: boolean;
  readonly shape: number[];
  readonly dimNames: string[];
  /** Of an input: its place among all inputs of the model, `defaults` included. */
  readonly position: number;
  /** Of an output: it was a sequence of maps in the file. */
  readonly isUnzipped: boolean;
}

/** The addon's session; see native_session.h. Arguments are trusted: session.ts checks them. */
export interface BoundSession {
  describe(): {
    inputs: BoundValue[];
    outputs: BoundValue[];
    defaults: BoundValue[];
    maxBatch: number;
    /** Why outputs are not among `outputs`. */
    unusable: string[];
    hasClassicOperators: boolean;
  };
  outbox(words: Float64Array): void;
  /** true: it was executed on this thread, and is settled. */
  submit(...bytes: Uint8Array[]): boolean;
  cancel(slot: number): void;
  close(): void;
}

/** The addon's rank; see native_rank.h. Arguments are trusted: rank.ts checks them. What is asked for under a slot settles like a run. */
export interface BoundRank {
  port(): number;
  form(slot: number, words: Float64Array, addresses: readonly string[], proofs: Uint8Array): void;
  run(words: Float64Array, ...inputs: readonly Uint8Array[]): void;
  expire(slot: number): void;
  abort(reason: string): void;
  /** false: it is closed already, and nothing will settle. */
  close(slot: number): boolean;
}

/** A slab of this process; see native_slab.h. */
export interface BoundSlab {
  place(length: number, words: Float64Array): ArrayBuffer | undefined;
  free(slot: number, generation: number, buffer: ArrayBuffer): void;
  used(): number;
  close(): void;
}

/** A slab of another process; see native_slab.h. */
export interface BoundSlabReader {
  open(slab: number, token: number, timeoutMs: number, done: (isOpen: boolean) => void): void;
  read(slot: number, generation: number, offset: number, length: number): ArrayBuffer | undefined;
  isGone(): boolean;
}

/** The rings of this process; see native_rings.h. */
export interface BoundRings {
  offer(ring: number): boolean;
  begin(ring: number): boolean;
  shut(ring: number): void;
  read(bytes: Uint8Array, words: Float64Array): number;
  open(outlet: number, hub: number, ring: number, timeoutMs: number, done: (isOpen: boolean) => void): void;
  write(outlet: number, kind: number, bytes: Uint8Array, words: Float64Array): number;
  taken(outlet: number): number;
  leave(outlet: number): void;
  close(): void;
}

/** All fields are required: the addon knows no defaults. */
export interface BoundRequest {
  readonly device: {
    readonly backend: string;
    readonly provider: string;
    readonly id: number;
    readonly options: readonly (readonly [key: string, value: string])[];
  };
  readonly libraryPath: string;
  readonly model: Uint8Array | string;
  readonly intraOpThreads: number;
  readonly interOpThreads: number;
  readonly concurrentRuns: number;
  readonly sharedBy: number;
  readonly coreIds: readonly number[];
  readonly graphOptimization: number;
  /** Names, separated by ';'. */
  readonly disabledOptimizers: string;
  readonly operatorLibraries: readonly string[];
  readonly inlineBelowUs: number;
  readonly inlineAloneBelowUs: number;
  readonly externalFolder: string;
  readonly linkRoots: readonly string[];
  /** 1 or 0. */
  readonly refuseLinks: number;
  readonly initializers: readonly { name: string; type: number; shape: readonly number[]; bytes: Uint8Array }[];
}

/** Where sessions report to; opaque. */
export type BoundConnection = object & { readonly __connection: never };

/** See provider_report.h. */
export interface BoundProviderReport {
  readonly driver: string;
  readonly runtime: string;
  readonly devices: readonly { readonly id: number; readonly name: string; readonly memoryBytes: number }[];
  readonly problems: readonly string[];
}

/** What the addon exports. */
export interface Binding {
  connect(
    onSettled: (count: number, extras: unknown[] | undefined) => void,
    onOpened: (session: number, failureKind: number, runtimeCode: number, message: string) => void,
    onClosed: (session: number) => void,
    words: Float64Array,
    bytes: Uint8Array,
  ): BoundConnection;
  end(connection: BoundConnection): void;
  /** See crash_note.h. */
  noteCrash(thread: number, note: string): void;
  /** See arena.ts. An addon that was built before this came has none. */
  arena?(): { readonly inUseBytes: number; readonly allocatedBytes: number; readonly peakBytes: number } | undefined;
  /** What this machine has of a provider. Blocks. */
  examine(backend: string, provider: string, libraryPath: string, driverOnly: boolean): BoundProviderReport;
  inbox(connection: BoundConnection, words: Float64Array, bytes: Uint8Array): void;
  /** `source`: an open session whose model is used; of the request only what concerns the session's own threads counts then. */
  readonly NativeSession: new (
    connection: BoundConnection,
    session: number,
    request: BoundRequest,
    source: BoundSession | undefined,
  ) => BoundSession;
  /** Throws an Error that says why there is none. */
  readonly NativeSlab: new (slab: number, token: number, bytes: number) => BoundSlab;
  readonly NativeSlabReader: new () => BoundSlabReader;
  /** Throws an Error that says why there are none. An addon that was built before this came has none. */
  readonly NativeRings?: new (hub: number, onNews: () => void) => BoundRings;
  /** See native_slab.h. */
  giveBack(buffer: ArrayBuffer): void;
  readonly NativeRank: new (
    connection: BoundConnection,
    rank: number,
    address: string,
    port: number,
    program: Float64Array,
    sessions: readonly BoundSession[],
    constants: readonly Uint8Array[],
    ncclDevice: number | undefined,
    ncclPath: string,
    cudaPath: string,
  ) => BoundRank;
}

/** Where the addon is: built here by build.mjs, or as it came with the package. */
function addonPath(): string {
  const built = fileURLToPath(new URL('../build/Release/mserve_native.node', import.meta.url));
  const prebuilt = fileURLToPath(new URL(`../prebuilt/${process.platform}-${process.arch}/mserve_native.node`, import.meta.url));
  return !existsSync(built) && existsSync(prebuilt) ? prebuilt : built;
}

/** Loads the addon. Throws a NativeError of kind 'library' when it has not been built for this Node. */
export function loadBinding(): Binding {
  try {
    return createRequire(import.meta.url)(addonPath()) as Binding;
  } catch (error) {
    const script = relative(process.cwd(), fileURLToPath(new URL('../build.mjs', import.meta.url)));
    throw new NativeError('library', `the native addon is not built for this Node: run \`node ${script}\``, { cause: error });
  }
}
