import { dirname } from 'node:path';
import { ServingError, type ServingErrorCode } from '@mserve/wire';
import type { SessionOptions } from '@mserve/native';
import { readOnnxModel, type OnnxModel } from '@mserve/onnx';
import type { ModelFormat } from '@mserve/register';
import type { ModelSession } from '../execution/model-session.js';
import type { ModelFindings } from './model-findings.js';
import { linkedFile, type LinkedFile } from '../servable/link-target.js';

/** The key of encrypted model files. */
export interface DecryptionKey {
  readonly key: Uint8Array;
  /** Only checked: the file's magic selects the mode. */
  readonly mode?: 'AES-GCM' | 'AES-CBC' | 'SM4-CBC' | undefined;
}

/** A model file that is to be opened. */
export interface ModelFileRequest {
  /** Where it is, links not followed: checked to be a plain file. Openers check again what they opened. */
  readonly path: string;
  /** Its name, for texts. */
  readonly file: string;
  readonly session: SessionOptions;
  readonly decryption?: DecryptionKey | undefined;
}

/** A model that can be run until it is closed. */
export interface OpenSession extends ModelSession {
  close(): Promise<void>;
}

/** Why a model file cannot be used, with the file in its text. */
export class ModelFileError extends ServingError {
  constructor(code: ServingErrorCode, file: string, text: string, options?: { readonly cause?: unknown }) {
    super(code, `model file '${file}' ${text}`, options);
  }
}

export interface OpenedModel<S extends OpenSession = OpenSession> {
  readonly session: S;
  /** The graph that the session runs, before optimisation. Throws when it cannot be read. */
  readonly readGraph: () => OnnxModel;
  /** Shared by all who share the loaded model. Default: there are no others. */
  readonly findings?: ModelFindings;
}

/** Opens a model file. Rejects with ServingError or NativeError: what is wrong with the file. */
export type ModelOpener<S extends OpenSession = OpenSession> = (request: ModelFileRequest) => Promise<OpenedModel<S>>;

/** One way to open per format; the parts that are not there yet refuse. */
export type ModelOpeners<S extends OpenSession = OpenSession> = Readonly<Record<ModelFormat, ModelOpener<S>>>;

/** What @mserve/mindir gives: an ONNX model in memory, with weights by reference. */
export interface ConvertedModel {
  readonly model: Uint8Array;
  readonly initializers?: SessionOptions['initializers'];
}

/** Opens an ONNX model: a path, or its bytes. */
export type OpenSessionFunction<S extends OpenSession = OpenSession> = (model: string | Uint8Array, options: SessionOptions) => Promise<S>;
/** Takes the path, not the bytes: a split model's weights lie beside it. `isHardLink`: the file has other names, which were looked at. */
export type MindirConverter = (path: string, decryption: DecryptionKey | undefined, isHardLink: boolean) => Promise<ConvertedModel>;

/** The file that a path leads to. Throws ModelFileError when it may not be used. Without `linkRoots` the path itself: whoever opens it refuses links. */
function targetOf(path: string, file: string, linkRoots: readonly string[] | undefined): LinkedFile {
  if (linkRoots === undefined) return { path, isHardLink: false, isFolder: false, problem: undefined };
  const target = linkedFile(path, linkRoots);
  if (target.problem !== undefined) throw new ModelFileError('INVALID_ARGUMENT', file, target.problem);
  return target;
}

/** The openers over a native session and a converter of MindIR files. */
export function modelOpeners<S extends OpenSession>(openSession: OpenSessionFunction<S>, convertMindir: MindirConverter): ModelOpeners<S> {
  return {
    ONNX: async ({ path, file, session, decryption }) => {
      checkNotAscend(file, 'ONNX', session);
      if (decryption !== undefined) throw new ModelFileError('INVALID_ARGUMENT', file, 'is ONNX, only MindIR files can be encrypted');
      // It was looked at by its path, which may name another file by now
      const { path: target } = targetOf(path, file, session.linkRoots);
      return {
        session: await openSession(target, { ...session, refuseLinks: true, ...(target !== path && { externalFolder: dirname(path) }) }),
        readGraph: () => readOnnxModel(target),
      };
    },
    MindIR: async ({ path, file, session, decryption }) => {
      checkNotAscend(file, 'MindIR', session);
      const target = targetOf(path, file, session.linkRoots);
      const { model, initializers } = await convertMindir(target.path, decryption, target.isHardLink);
      const opened = await openSession(model, { ...session, ...(initializers && { initializers }) });
      return { session: opened, readGraph: () => readOnnxModel(model) };
    },
    OM: async ({ path, file, session, decryption }) => {
      if (decryption !== undefined) throw new ModelFileError('INVALID_ARGUMENT', file, 'is OM, only MindIR files can be encrypted');
      const { backend, provider } = session.device ?? {};
      if (backend !== 'acl')
        throw new ModelFileError(
          'INVALID_ARGUMENT',
          file,
          `is OM, which Ascend devices run (provider ascend); the provider here is ${provider ?? 'cpu'}`,
        );
      const readGraph = (): never => {
        throw new ModelFileError('UNIMPLEMENTED', file, 'is compiled: its graph cannot be read');
      };
      return { session: await openSession(path, { ...session, refuseLinks: true }), readGraph };
    },
  };
}

/** AscendCL runs what was compiled for it. */
function checkNotAscend(file: string, format: ModelFormat, session: SessionOptions): void {
  if (session.device?.backend !== 'acl') return;
  throw new ModelFileError(
    'INVALID_ARGUMENT',
    file,
    `is ${format}, but the provider ascend runs OM files only; for ONNX and MindIR use cann`,
  );
}
