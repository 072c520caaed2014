import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { ModelFindings } from './model-findings.js';
import type { ModelFileRequest, ModelOpener, ModelOpeners, OpenedModel, OpenSession } from './model-loader.js';

/** A session whose loaded model others can use too; `Session` of @mserve/native is one. */
export interface ShareableSession extends OpenSession {
  /** close() was called. */
  readonly isClosed: boolean;
  /** Another session over the same loaded model. Rejects when this one is closed. */
  share(): Promise<ShareableSession>;
}

interface Loaded {
  /** Settles when the file has been loaded, or has failed to. */
  readonly first: Promise<unknown>;
  readonly sessions: OpenedModel<ShareableSession>[];
}

/**
 * Openers that load a model file once for all replicas that use it with the same options: its weights are in memory once, and what is
 * found out about it is found out once. Each replica still gets
 * a session with threads of its own. A file that was replaced meanwhile is another file.
 */
export function shareModels(openers: ModelOpeners<ShareableSession>): ModelOpeners<ShareableSession> {
  const files = new Map<string, Loaded>();
  const shared =
    (format: string, open: ModelOpener<ShareableSession>): ModelOpener<ShareableSession> =>
    async (request) => {
      const key = await keyOf(format, request);
      forgetClosed(files);
      return key === undefined ? open(request) : openShared(files, key, () => open(request));
    };
  return { ONNX: shared('ONNX', openers.ONNX), MindIR: shared('MindIR', openers.MindIR), OM: shared('OM', openers.OM) };
}

async function openShared(
  files: Map<string, Loaded>,
  key: string,
  load: () => Promise<OpenedModel<ShareableSession>>,
): Promise<OpenedModel<ShareableSession>> {
  for (let file = files.get(key); file !== undefined; file = files.get(key)) {
    await file.first.catch(() => undefined);
    const source = file.sessions.find(({ session }) => !session.isClosed);
    if (source === undefined) {
      if (files.get(key) === file) files.delete(key);
      continue;
    }
    const model = { ...source, session: await source.session.share() };
    file.sessions.push(model);
    return model;
  }
  const first = load();
  const sessions: OpenedModel<ShareableSession>[] = [];
  files.set(key, { first, sessions });
  const model = { ...(await first), findings: new ModelFindings() };
  sessions.push(model);
  return model;
}

/** What decides on the loaded model: which file, as it is now, and how it is read and run. Undefined when the file cannot be found: let the opener say so. */
async function keyOf(format: string, { path, session, decryption }: ModelFileRequest): Promise<string | undefined> {
  const file = await stat(path, { bigint: true }).catch(() => undefined);
  if (file === undefined) return undefined;
  const secret = decryption && [createHash('sha256').update(decryption.key).digest('base64'), decryption.mode];
  return JSON.stringify([format, path, [file.dev, file.ino, file.size, file.mtimeNs, file.ctimeNs].map(String), session, secret]);
}

/** Files that no open session uses. One that is being loaded has no sessions yet, and stays. */
function forgetClosed(files: Map<string, Loaded>): void {
  for (const [key, { sessions }] of files) {
    const open = sessions.filter(({ session }) => !session.isClosed);
    if (open.length === 0 && sessions.length > 0) files.delete(key);
    else sessions.splice(0, sessions.length, ...open);
  }
}
