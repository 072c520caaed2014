import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { elementwise } from '../../../../test/support/fake-session.js';
import type { ModelFileRequest, ModelOpeners, OpenedModel } from './model-loader.js';
import { shareModels, type ShareableSession } from './shared-models.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'mserve-shared-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let files = 0;
function file(text = 'a model'): string {
  const path = join(folder, `${++files}.onnx`);
  writeFileSync(path, text);
  return path;
}

const readGraph = (): never => {
  throw new Error('a fake session has no graph');
};

/** Sessions that count how often their model was loaded and shared. */
class Loads {
  loaded = 0;
  shared = 0;
  failures = 0;
  readonly openers: ModelOpeners<ShareableSession>;

  constructor() {
    const open = (): Promise<OpenedModel<ShareableSession>> => {
      if (this.failures-- > 0) return Promise.reject(new Error('it cannot be read'));
      this.loaded++;
      return Promise.resolve({ session: this.session(), readGraph });
    };
    this.openers = shareModels({ ONNX: open, MindIR: open, OM: open });
  }

  private session(): ShareableSession {
    const fake = elementwise([1], 1, (x) => x);
    const share = (): Promise<ShareableSession> => {
      if (fake.isClosed) return Promise.reject(new Error('the session is closed'));
      this.shared++;
      return Promise.resolve(this.session());
    };
    return Object.assign(fake, { share });
  }
}

function request(path: string, more: Partial<ModelFileRequest> = {}): ModelFileRequest {
  return { path, file: 'model.onnx', session: { intraOpThreads: 1 }, ...more };
}

describe('shareModels', () => {
  it('loads a file once for all who use it at the same time', async () => {
    const loads = new Loads();
    const path = file();
    const sessions = await Promise.all([1, 2, 3].map(() => loads.openers.ONNX(request(path))));
    sessions.push(await loads.openers.ONNX(request(path)));
    expect([loads.loaded, loads.shared, new Set(sessions.map(({ session }) => session)).size]).toEqual([1, 3, 4]);
  });

  it('shares the session that is open, and loads again when none is', async () => {
    const loads = new Loads();
    const path = file();
    const first = await loads.openers.ONNX(request(path));
    const second = await loads.openers.ONNX(request(path));
    await first.session.close();
    const third = await loads.openers.ONNX(request(path));
    expect([loads.loaded, loads.shared]).toEqual([1, 2]);
    await Promise.all([second.session.close(), third.session.close()]);
    await loads.openers.ONNX(request(path));
    expect([loads.loaded, loads.shared]).toEqual([2, 2]);
  });

  it.each<[string, Partial<ModelFileRequest>]>([
    ['threads', { session: { intraOpThreads: 2 } }],
    ['device', { session: { intraOpThreads: 1, device: { id: 1 } } }],
    ['key', { decryption: { key: Uint8Array.of(1) } }],
    ['mode', { decryption: { key: Uint8Array.of(1, 2), mode: 'AES-CBC' } }],
  ])('another %s, another model', async (_what, more) => {
    const loads = new Loads();
    const path = file();
    await loads.openers.MindIR(request(path));
    await loads.openers.MindIR(request(path, more));
    expect([loads.loaded, loads.shared]).toEqual([2, 0]);
  });

  it('a file that was replaced, or written to, is loaded', async () => {
    const loads = new Loads();
    const path = file();
    await loads.openers.ONNX(request(path));
    renameSync(file('a model'), path);
    await loads.openers.ONNX(request(path));
    writeFileSync(path, 'another');
    await loads.openers.ONNX(request(path));
    expect([loads.loaded, loads.shared]).toEqual([3, 0]);
  });

  it('a load that failed is tried again by the next one, and who waited for it tries itself', async () => {
    const loads = new Loads();
    loads.failures = 1;
    const path = file();
    const results = await Promise.allSettled([1, 2, 3].map(() => loads.openers.ONNX(request(path))));
    expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'fulfilled', 'rejected']);
    expect([loads.loaded, loads.shared]).toEqual([1, 1]);
  });

  it('a file that is not there is for the opener to refuse', async () => {
    const loads = new Loads();
    loads.failures = 1;
    await expect(loads.openers.ONNX(request(join(folder, 'absent.onnx')))).rejects.toThrow('it cannot be read');
  });
});
