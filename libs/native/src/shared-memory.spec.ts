import { spawn, spawnSync, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { afterAll, afterEach, describe, expect, it } from '@jest/globals';
import { openSharedMemory, SharedMemory, type SharedPlace } from './shared-memory.js';

const mebibyte = 2 ** 20;
const module = new URL('../dist/shared-memory.js', import.meta.url).href;

/** A process that runs this program after `import { openSharedMemory } ...`; `limits` as of ulimit. */
const command = (program: string, limits = ''): [string, string[]] => {
  const text = `import { openSharedMemory } from ${JSON.stringify(module)};\n${program}`;
  return ['sh', ['-c', `${limits} exec "$0" --input-type=module -e "$1"`, process.execPath, text]];
};

const slabSockets = (): string[] => readFileSync('/proc/net/unix', 'utf8').match(/@mserve-slab-[0-9a-f]+/g) ?? [];
const nameOf = ({ slab }: SharedPlace): string => `@mserve-slab-${slab.toString(16).padStart(16, '0')}`;

describe('SharedMemory between processes', () => {
  const children: ChildProcessWithoutNullStreams[] = [];
  const memory = new SharedMemory(8 * mebibyte);
  afterEach(() => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
  });
  afterAll(() => memory.close());

  async function started(program: string): Promise<{ readonly child: ChildProcessWithoutNullStreams; line(): Promise<unknown> }> {
    const child = spawn(...command(program));
    children.push(child);
    child.stderr.pipe(process.stderr);
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    return {
      child,
      async line() {
        const { value } = await lines.next();
        return JSON.parse(String(value)) as unknown;
      },
    };
  }
  async function killed(child: ChildProcessWithoutNullStreams): Promise<void> {
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  }
  const untilUsed = async (bytes: number): Promise<void> => {
    while (memory.usedBytes !== bytes) await new Promise((resolve) => setTimeout(resolve, 2));
  };

  it('has no name that outlives its process, and is read on when its owner was killed', async () => {
    const owner = await started(`
      const shared = openSharedMemory(1, console.error).place(100_000);
      shared.bytes.fill(42);
      console.log(JSON.stringify(shared.place));
      setInterval(() => shared, 1000);
    `);
    const place = (await owner.line()) as SharedPlace;
    expect(slabSockets()).toContain(nameOf(place));
    const bytes = await memory.read(place, 5, 90_000);
    await killed(owner.child);
    expect(slabSockets()).not.toContain(nameOf(place));
    expect(bytes?.every((byte) => byte === 42)).toBe(true);
    const other = new SharedMemory(mebibyte);
    expect(await other.read(place, 0, 10)).toBeUndefined();
    other.close();
  });

  it('keeps what another process reads until that is killed', async () => {
    const shared = memory.place(200_000);
    shared?.bytes.fill(7);
    const reader = await started(`
      const memory = openSharedMemory(1, console.error);
      const bytes = await memory.read(${JSON.stringify(shared?.place)}, 0, 200_000);
      console.log(JSON.stringify(bytes.every((byte) => byte === 7)));
      setInterval(() => bytes, 1000);
    `);
    expect(await reader.line()).toBe(true);
    shared?.free();
    const used = memory.usedBytes;
    expect(used).toBeGreaterThanOrEqual(200_000);
    await killed(reader.child);
    await untilUsed(0);
  });

  it('cannot be written by a reader: the attempt ends it, and changes nothing', async () => {
    const shared = memory.place(10_000);
    shared?.bytes.fill(1);
    const reader = await started(`
      const bytes = await openSharedMemory(1, console.error).read(${JSON.stringify(shared?.place)}, 0, 10_000);
      bytes[3] = 9;
      console.log('true');
    `);
    const [, signal] = (await once(reader.child, 'exit')) as [number | null, string | null];
    expect(signal).toBe('SIGSEGV');
    expect(shared?.bytes[3]).toBe(1);
    shared?.free();
    await untilUsed(0);
  });

  const missing = process.getuid?.() === 0 ? undefined : 'needs root';
  (missing === undefined ? it : it.skip)(
    `is not read by a process of another user${missing === undefined ? '' : ` (skipped: ${missing})`}`,
    async () => {
      const shared = memory.place(10_000);
      const program = (before: string): string => `
        // The addon is loaded before this is somebody else
        openSharedMemory(1, console.error).close();
        ${before}
        const bytes = await openSharedMemory(1, console.error).read(${JSON.stringify(shared?.place)}, 0, 10_000);
        console.log(JSON.stringify(bytes?.byteLength ?? 'none'));
        setInterval(() => bytes, 1000);
      `;
      const other = await started(program('process.setgroups([]); process.setgid(65534); process.setuid(65534);'));
      expect(await other.line()).toBe('none');
      expect(await (await started(program(''))).line()).toBe(10_000);
      shared?.free();
    },
  );

  it('is not there where memory is limited, and says so once', () => {
    // 512-byte blocks
    const { stdout, status } = spawnSync(...command('console.log(openSharedMemory(64, console.log) === undefined);', 'ulimit -f 1024;'), {
      encoding: 'utf8',
    });
    expect({ status, lines: stdout.trim().split('\n') }).toEqual({
      status: 0,
      lines: ['tensors go over the bus, not through shared memory: no memory that can be shared: File too large', 'true'],
    });
    expect(openSharedMemory(0, () => expect(true).toBe(false))).toBeUndefined();
  });

  it('has room again for what did not fit, when others were freed', () => {
    const all = Array.from({ length: 7 }, () => memory.place(mebibyte));
    expect(all.every((each) => each !== undefined)).toBe(true);
    expect(memory.place(mebibyte)).toBeUndefined();
    all[3]?.free();
    const again = memory.place(mebibyte);
    expect(again).toBeDefined();
    for (const each of [...all.slice(0, 3), ...all.slice(4), again]) each?.free();
    expect(memory.usedBytes).toBe(0);
    const whole = memory.place(7.9 * mebibyte);
    expect(whole).toBeDefined();
    whole?.free();
  });
});
