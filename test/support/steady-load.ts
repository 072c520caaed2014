import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:http';

/** What a load saw so far. */
export interface LoadFigures {
  /** Right answers, by the version that gave them. */
  readonly right: Readonly<Record<string, number>>;
  /** Everything else, with what came instead. */
  readonly wrong: readonly string[];
}

/** What a servable that turns with its version answers: see writeTurnsServable. */
function expected(version: string, a: number, b: number): number {
  return Number(version) % 2 === 1 ? a + b : a - b;
}

/** Clients that ask `turns` for its latest version without a pause, each its own question each time, until they are stopped. */
export class SteadyLoad {
  private readonly agent: Agent;
  private readonly counts: Record<string, number> = {};
  private readonly faults: string[] = [];
  private readonly done: Promise<unknown>;
  private isOver = false;
  private asked = 0;
  private watchers: (() => void)[] = [];

  /** @param rests addresses of REST ports, taken in turns */
  constructor(
    private readonly rests: readonly string[],
    clients: number,
  ) {
    this.agent = new Agent({ keepAlive: true, maxSockets: clients });
    this.done = Promise.all(Array.from({ length: clients }, (_, client) => this.run(client)));
  }

  get figures(): LoadFigures {
    return { right: { ...this.counts }, wrong: [...this.faults] };
  }

  /** Resolves when `version` has given so many answers more. */
  async until(version: number, answers: number): Promise<void> {
    const wanted = (this.counts[version] ?? 0) + answers;
    while ((this.counts[version] ?? 0) < wanted && this.faults.length === 0)
      await new Promise<void>((resolve) => this.watchers.push(resolve));
  }

  async stop(): Promise<LoadFigures> {
    this.isOver = true;
    await this.done;
    this.agent.destroy();
    return this.figures;
  }

  private async run(client: number): Promise<void> {
    while (!this.isOver) {
      const n = ++this.asked;
      const answer = await this.ask(this.rests[client % this.rests.length] as string, n).catch((error: Error) => error.message);
      if (typeof answer === 'string') this.faults.push(answer);
      else this.counts[answer.version] = (this.counts[answer.version] ?? 0) + 1;
      for (const resolve of this.watchers.splice(0)) resolve();
    }
  }

  /** The version that answered rightly, or what is wrong. */
  private ask(rest: string, n: number): Promise<{ version: string } | string> {
    const tensor = (name: string, value: number): unknown => ({ name, datatype: 'FP32', shape: [1, 2], data: [value, 0.5] });
    const body = JSON.stringify({ inputs: [tensor('x1', n), tensor('x2', 3)] });
    const [host, port] = rest.split(':');
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
    return new Promise((resolve, reject) => {
      const call = request({ host, port, path: '/v2/models/turns/infer', method: 'POST', agent: this.agent, headers }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString();
          if (response.statusCode !== 200) return resolve(`${response.statusCode} ${text}`);
          const answer = JSON.parse(text) as { model_version: string; outputs: { data: number[] }[] };
          const value = answer.outputs[0]?.data[0];
          resolve(value === Math.fround(expected(answer.model_version, n, 3)) ? { version: answer.model_version } : `wrong: ${n} ${text}`);
        });
      });
      call.on('error', reject);
      call.end(body);
    });
  }
}

/** Resident memory of a process in MiB, of /proc. */
export function residentMiB(pid: number): number {
  return Number(/^VmRSS:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
}
