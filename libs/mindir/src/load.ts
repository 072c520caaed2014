import { createHash } from 'node:crypto';
import { basename, dirname } from 'node:path';
import { decryptAll, encryptionOf, type Decryption, type DecryptionMode } from './container/encryption.js';
import { ExternalTensors } from './container/external-tensors.js';
import { maxGraphBytes, MemorySource, OpenFile } from './container/source.js';
import { convert, traceModel } from './convert.js';
import { GraphBuilder } from './graph/graph-builder.js';
import { MindirError } from './mindir-error.js';
import type { OnnxModel } from './onnx-model.js';
import { decodeMindir } from './proto/mindir-decoder.js';
import type { MindirModel } from './proto/mindir-schema.js';
import { decodeGroupConfig, type GroupConfig } from './rank/group-config.js';
import { splitAtCollectives } from './rank/split.js';
import type { RankModel } from './rank/rank-model.js';
import { reportOf, type ModelReport } from './report.js';

/** A MindIR file by its path, or its bytes with the folder that external weights may be read from. */
export type MindirSource = string | { readonly bytes: Uint8Array; readonly folder?: string };

/** How a MindIR file is read. */
export interface MindirOptions {
  /** 16, 24 or 32 bytes. Used for decryption only; never logged or put into messages. */
  readonly decKey?: Uint8Array | undefined;
  /** Only checked: the file's magic number selects the mode. */
  readonly decMode?: DecryptionMode | undefined;
  /**
   * A file given by its path is refused when it is a symbolic link, and with true also when it has another hard link; told from the open file, which is
   * the one that is read. Default false.
   */
  readonly refuseLinks?: boolean | 'symbolic' | undefined;
}

interface ReadModel {
  /** Decrypted. */
  readonly bytes: Uint8Array;
  readonly model: MindirModel;
  readonly encryption: DecryptionMode | undefined;
  /** Whether the bytes behind the model's tensors belong to us alone. */
  readonly owned: boolean;
}

/**
 * Reads a MindIR file and turns it into an ONNX model. Resolves with views on the file's bytes (see {@link OnnxModel}).
 * Rejects with MindirError, whose message names the file and the reason; for operators without translation it lists them all.
 */
export function loadMindir(source: MindirSource, options: MindirOptions = {}): Promise<OnnxModel> {
  return named(source, async () => {
    const { model, encryption, owned } = await read(source, options);
    const external = new ExternalTensors(folderOf(source), decryptionOf(options));
    try {
      return await convert(model, reportOf(model, encryption), external, owned);
    } finally {
      await external.close();
    }
  });
}

/** A rank of a distributed model, and how its files are read. */
export interface RankOptions extends MindirOptions {
  /** From 0. */
  readonly rank: number;
  readonly rankSize: number;
  /** The bytes of the rank's group_config_R.pb. Absent: groups have to be told by the model file. */
  readonly groupConfig?: Uint8Array | undefined;
}

/**
 * Reads the MindIR file of one rank of a distributed model and cuts its graph at the collectives (AllReduce, AllGather, ReduceScatter, AlltoAll, Broadcast, NeighborExchange,
 * Send, Receive). Whether the ranks of a model fit together is not told here, but by {@link proveSchedules}. Rejects as {@link loadMindir} does; also for collectives inside an if or a loop, and for groups that nothing describes.
 */
export function loadRankMindir(source: MindirSource, options: RankOptions): Promise<RankModel> {
  return named(source, async () => {
    const { groups, restoreRanks } = groupConfigOf(options);
    const { bytes, model, encryption, owned } = await read(source, options);
    const hash = createHash('sha256').update(bytes);
    const external = new ExternalTensors(folderOf(source), decryptionOf(options), (tensor) => void hash.update(tensor));
    try {
      const builder = new GraphBuilder({ rank: options.rank, rankSize: options.rankSize, groups });
      const report = reportOf(model, encryption);
      const { ports, inputs, results } = await traceModel(model, builder, external, owned);
      return {
        program: splitAtCollectives(builder, inputs, results, report.version),
        schedule: [...builder.collectives.values()].map(({ scheduled }) => scheduled),
        restoreRanks,
        inputs: ports,
        outputs: results.map(({ dtype, shape }, index) => ({ name: `output_${index}`, dtype, shape })),
        sha256: hash.digest('hex'),
        report,
      };
    } finally {
      await external.close();
    }
  });
}

function groupConfigOf({ groupConfig, rank }: RankOptions): GroupConfig {
  if (groupConfig === undefined) return { groups: new Map(), restoreRanks: [] };
  try {
    return decodeGroupConfig(groupConfig);
  } catch (thrown) {
    if (!(thrown instanceof MindirError)) throw thrown;
    throw new MindirError(thrown.kind, `the group configuration of rank ${rank}: ${thrown.message}`, { cause: thrown });
  }
}

/** What a MindIR file holds. Works for models with operators that have no translation. Rejects with MindirError. */
export function inspectMindir(source: MindirSource, options: MindirOptions = {}): Promise<ModelReport> {
  return named(source, async () => {
    const { model, encryption } = await read(source, options);
    return reportOf(model, encryption);
  });
}

async function read(source: MindirSource, options: MindirOptions): Promise<ReadModel> {
  if (typeof source !== 'string') return readBytes(source.bytes, options);
  const file = await OpenFile.open(source, 'the file', 'format', options.refuseLinks === true || options.refuseLinks === 'symbolic');
  try {
    if (options.refuseLinks === true && file.linkCount > 1) throw new MindirError('format', 'the file has more than one hard link');
    if (file.size === 0) throw new MindirError('format', 'the file is empty');
    if (file.size > maxGraphBytes * 1.01)
      throw new MindirError('limits', `the file has ${file.size} bytes, a MindIR graph at most ${maxGraphBytes}`);
    const encryption = encryptionOf(await file.read(0, Math.min(4, file.size)));
    const bytes =
      encryption === undefined
        ? await plain(options, () => file.read(0, file.size))
        : await decryptAll(file, needDecryption(options, encryption));
    return { bytes, model: decode(bytes, encryption), encryption, owned: true };
  } finally {
    await file.close();
  }
}

async function readBytes(bytes: Uint8Array, options: MindirOptions): Promise<ReadModel> {
  if (bytes.byteLength === 0) throw new MindirError('format', 'the file is empty');
  const encryption = encryptionOf(bytes);
  if (encryption === undefined)
    return { bytes, model: decode(await plain(options, async () => bytes), encryption), encryption, owned: false };
  const decrypted = await decryptAll(new MemorySource(bytes, 'the file'), needDecryption(options, encryption));
  return { bytes: decrypted, model: decode(decrypted, encryption), encryption, owned: true };
}

function decode(bytes: Uint8Array, encryption: DecryptionMode | undefined): MindirModel {
  try {
    return decodeMindir(bytes);
  } catch (thrown) {
    // CBC has no tag: a wrong key can pass the padding check, and then the plain text is noise.
    const unauthenticated = encryption === 'AES-CBC' || encryption === 'SM4-CBC';
    if (!unauthenticated || !(thrown instanceof MindirError)) throw thrown;
    throw new MindirError(
      'key',
      `the key does not fit the file (or the file was damaged): what ${encryption} decrypts to is not a MindIR`,
      { cause: thrown },
    );
  }
}

/** A key for a plain file is refused, as MindSpore does: the wrong file may have been named. */
async function plain(options: MindirOptions, bytes: () => Promise<Uint8Array>): Promise<Uint8Array> {
  if (options.decKey !== undefined) throw new MindirError('key', 'a decryption key was given, but the file is not encrypted');
  return bytes();
}

function decryptionOf(options: MindirOptions): Decryption | undefined {
  return options.decKey === undefined ? undefined : { key: options.decKey, mode: options.decMode };
}

function needDecryption(options: MindirOptions, mode: DecryptionMode): Decryption {
  const decryption = decryptionOf(options);
  if (decryption === undefined) throw new MindirError('encrypted', `the file is encrypted (${mode}): a decryption key is needed`);
  return decryption;
}

function folderOf(source: MindirSource): string | undefined {
  return typeof source === 'string' ? dirname(source) : source.folder;
}

/** Puts the file's name in front of the message of a MindirError; other errors are bugs or broken files and become 'format'. */
async function named<Result>(source: MindirSource, work: () => Promise<Result>): Promise<Result> {
  const name = typeof source === 'string' ? basename(source) : 'model';
  try {
    return await work();
  } catch (thrown) {
    if (thrown instanceof MindirError) throw new MindirError(thrown.kind, `MindIR '${name}': ${thrown.message}`, { cause: thrown.cause });
    throw new MindirError('format', `MindIR '${name}' cannot be converted: ${thrown instanceof Error ? thrown.message : String(thrown)}`, {
      cause: thrown,
    });
  }
}
