import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { execFile, execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePort } from '../support/free-port.js';
import { root, serveDirectory, type RunningProcess, type ServerAddresses } from '../support/running-process.js';
import { servableDirectory, writeAddServable, type ServableDirectory } from '../support/servables.js';

const run = promisify(execFile);
const command = 'apps/server/dist/main.js';
const hasTmux = (() => {
  try {
    execFileSync('tmux', ['-V']);
    return true;
  } catch {
    return false;
  }
})();

// Commands on a busy machine are slow to start
jest.setTimeout(120_000);

let folder: ServableDirectory;
let server: RunningProcess & ServerAddresses;
let ops: string;
beforeAll(async () => {
  folder = servableDirectory();
  writeAddServable(folder.path);
  ops = `127.0.0.1:${await freePort()}`;
  server = await serveDirectory(folder.path, ['--ops', ops]);
});
afterAll(async () => {
  await server?.stop();
  folder.remove();
});

const failing = () => fetch(`http://${server.rest}/v2/models/add.predict/infer`, { method: 'POST', body: '{"inputs":[]}' });

describe('mserve top without a terminal', () => {
  it('prints everything once', async () => {
    const answer = await failing();
    const { stdout } = await run(process.execPath, [command, 'top', '--ops', ops], { cwd: root });
    expect(stdout).toMatch(/^mserve {2}ready {2}\S+ {2}one process/);
    expect(stdout).toMatch(/add\.predict +1 +ready +1/);
    expect(stdout).toContain(String(server.child.pid));
    expect(stdout).toContain(answer.headers.get('x-request-id') as string);
    expect(stdout).not.toContain('\u001b');
  });

  it('prints the state as JSON', async () => {
    const { stdout } = await run(process.execPath, [command, 'top', '--json', '--ops', ops], { cwd: root });
    expect(JSON.parse(stdout)).toMatchObject({ format: 1, ready: true, servables: [{ servable: 'add' }] });
  });

  it.each([
    [
      'nobody is there',
      () => freePort().then((port) => `127.0.0.1:${port}`),
      /does a gateway or mserve serve have its operations port there\?/,
    ],
    [
      'that is another port',
      () => Promise.resolve(server.rest),
      /^mserve: \S+ has no \/state: is it the operations port of a gateway or of mserve serve\?\n$/,
    ],
  ])('says so in one sentence when %s', async (_, address, text) => {
    const args = [command, 'top', '--ops', await address()];
    await expect(run(process.execPath, args, { cwd: root })).rejects.toMatchObject({ code: 1, stderr: expect.stringMatching(text) });
  });
});

(hasTmux ? describe : describe.skip)(`mserve top in a terminal${hasTmux ? '' : ' (skipped: there is no tmux)'}`, () => {
  const session = `mserve-top-${process.pid}`;
  const socket = ['-L', session];
  const tmux = (...args: string[]) => run('tmux', [...socket, ...args]);
  /** What the terminal shows, once it is as wanted. */
  const screen = async (wanted: (text: string) => boolean): Promise<string> => {
    for (;;) {
      const { stdout } = await tmux('capture-pane', '-p', '-t', session);
      if (wanted(stdout)) return stdout;
    }
  };
  afterAll(() => tmux('kill-server').catch(() => undefined));

  it('shows what happens while it happens, follows the size of the window, and leaves the screen as it was', async () => {
    await tmux('-f', '/dev/null', 'new-session', '-d', '-s', session, '-x', '100', '-y', '30', 'sh');
    await tmux('set-option', '-g', 'window-size', 'manual');
    await tmux('send-keys', '-t', session, `echo before; ${process.execPath} ${join(root, command)} top --ops ${ops}`, 'Enter');
    await screen((text) => /METHOD/.test(text) && /PROCESS/.test(text));
    const answer = await failing();
    const id = answer.headers.get('x-request-id') as string;
    await screen((text) => text.includes(id));
    await tmux('resize-window', '-t', session, '-x', '60', '-y', '12');
    const small = await screen((text) => text.trimEnd().split('\n').length <= 12 && text.includes('mserve'));
    for (const line of small.split('\n')) expect(line.length).toBeLessThanOrEqual(60);
    await tmux('send-keys', '-t', session, 'q');
    const after = await screen((text) => text.includes('before') && !text.includes('PROCESS'));
    expect(after).not.toContain('METHOD');
  });
});
