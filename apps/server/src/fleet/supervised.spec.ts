import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, describe, expect, it } from '@jest/globals';
import { silentLog } from '@mserve/app';
import { Supervised, type Patience, type ProcessEnd, type Program } from './supervised.js';

const patience: Patience = { firstMs: 1, longestMs: 8, steadyMs: 60_000, loopEnds: 3, unresponsiveMs: 0 };

/** Node processes that run `script`. */
class Script implements Program {
  readonly name = 'worker-1';
  readonly kind = 'worker';
  readonly children: ChildProcess[] = [];

  constructor(private readonly script: string) {}

  start(): ChildProcess {
    const child = spawn(process.execPath, ['-e', this.script], { stdio: ['ignore', 'pipe', 'ignore', 'ipc'] });
    this.children.push(child);
    return child;
  }

  askToEnd(child: ChildProcess): void {
    child.kill('SIGTERM');
  }

  report(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  answer(child: ChildProcess): Promise<void> {
    return new Promise((resolve) => {
      child.once('message', () => resolve());
      child.send('?');
    });
  }
}

describe('a process that is kept running', () => {
  const lines: string[] = [];
  const log = { ...silentLog, info: add, error: add };
  function add(_: object, text: string): void {
    lines.push(text);
  }
  let one: Supervised | undefined;
  afterEach(async () => {
    await one?.end(1);
    one = undefined;
    lines.length = 0;
  });

  it('is started again when it ends, later and later; a crash loop is said once', async () => {
    const ends: ProcessEnd[] = [];
    await new Promise<void>((resolve) => {
      one = new Supervised(
        new Script('process.exit(3)'),
        log,
        (end) => {
          if (ends.push(end) === 6) resolve();
        },
        patience,
      );
      one.start();
    });
    expect(ends).toEqual(Array.from({ length: 6 }, () => ({ code: 3, signal: null })));
    expect(one?.state).toMatchObject({ crashLoop: true, restarts: 5, state: 'waiting' });
    expect(one?.isExpected).toBe(false);
    const again = 'worker-1 has ended and is started again';
    expect(lines).toEqual([
      ...['worker-1 is started', again, 'worker-1 is started', again, 'worker-1 is started'],
      'worker-1 ends again and again: it is started every 0.008 s from now on, and nothing is said of that until it stays up',
    ]);
  });

  it('says when it stays up after a crash loop, and begins anew', async () => {
    let ends = 0;
    const program = new Script('process.exit(3)');
    const start = program.start.bind(program);
    const steady = new Script('setInterval(() => undefined, 1000)');
    program.start = () => (ends < 3 ? start() : steady.start());
    await new Promise<void>((resolve) => {
      const info = (fields: object, text: string): void => {
        add(fields, text);
        if (text.includes('stays up')) resolve();
      };
      one = new Supervised(program, { ...log, info }, () => ends++, { ...patience, steadyMs: 3_000 });
      one.start();
    });
    expect(one?.state).toMatchObject({ crashLoop: false, state: 'running' });
  });

  it('is not started again when it was asked to end; one that does not end is killed', async () => {
    const program = new Script("process.on('SIGTERM', () => undefined); process.stdout.write('up'); setInterval(() => undefined, 1000)");
    one = new Supervised(program, log, undefined, patience);
    one.start();
    await once(program.children[0]?.stdout as NodeJS.ReadableStream, 'data');
    await one.end(1);
    expect(one.state).toMatchObject({ state: 'drained', pid: undefined, restarts: 0 });
    expect(lines).toEqual(['worker-1 is started', 'worker-1 has not ended after 1 ms and is killed', 'worker-1 has ended']);
    await one.restart(1);
    expect(one.state).toMatchObject({ state: 'running', restarts: 1 });
  });

  describe('that does not answer', () => {
    const impatient = { unresponsiveMs: 100 };
    const answering = "process.on('message', () => process.send('!'));";
    /** Of a process that runs this script: how it ended. */
    async function endOf(
      script: string,
      then: (child: ChildProcess) => void = () => undefined,
      { unresponsiveMs }: Pick<Patience, 'unresponsiveMs'> = impatient,
    ): Promise<ProcessEnd> {
      return new Promise((resolve) => {
        const program = new Script(script);
        one = new Supervised(program, log, resolve, { ...patience, firstMs: 60_000, unresponsiveMs });
        one.start();
        program.children[0]?.stdout?.once('data', () => then(program.children[0] as ChildProcess));
      });
    }

    it.each([
      ['because it is stopped', `${answering} process.stdout.write('up')`, 'SIGSTOP', 'it is stopped'],
      [
        'because it waits for good',
        `${answering} process.stdout.write('up'); setTimeout(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0), 50)`,
        undefined,
        'it waits for something for good',
      ],
      [
        'because its event loop is held',
        `${answering} process.stdout.write('up'); setTimeout(() => { for (;;); }, 50)`,
        undefined,
        'it is busy and comes to no end',
      ],
    ] as const)(
      '%s, is killed and started again',
      async (_, script, signal, why) => {
        expect(await endOf(script, (child) => signal && child.kill(signal))).toEqual({ code: null, signal: 'SIGKILL' });
        expect(lines).toEqual([
          'worker-1 is started',
          `worker-1 does not answer (${why}) and is killed`,
          'worker-1 has ended and is started again',
        ]);
        expect(one?.state).toMatchObject({ state: 'waiting' });
      },
      60_000,
    );

    it('for long, because it works, is left alone', async () => {
      const unresponsiveMs = 400;
      // Longer than a process that does nothing may be silent, and half of what a busy one may take
      const work = `const now = () => process.cpuUsage().user / 1000; const end = now() + ${unresponsiveMs * 2};
        while (now() < end) for (let i = 0; i < 1e6; i++);`;
      const script = `let n = 0; process.on('message', () => { process.send('!'); if (++n === 6) process.exit(7); if (n % 2) { ${work} } });`;
      expect(await endOf(script, undefined, { unresponsiveMs })).toEqual({ code: 7, signal: null });
      expect(lines).toEqual(['worker-1 is started', 'worker-1 has ended and is started again']);
    }, 60_000);
  });

  it('that cannot be started at all is tried again', async () => {
    const ends: ProcessEnd[] = [];
    await new Promise<void>((resolve) => {
      const program = new Script('');
      program.start = () => spawn('/no/such/program');
      one = new Supervised(
        program,
        log,
        (end) => {
          if (ends.push(end) === 2) resolve();
        },
        patience,
      );
      one.start();
    });
    expect(ends[0]).toEqual({ code: null, signal: null });
  });
});
