import { GrpcClients } from '../../support/clients.js';
import { serveDirectory } from '../../support/running-process.js';
import { servableDirectory } from '../../support/servables.js';
import { runCase, type ConformanceCase } from './conformance-case.js';
import { callCase, ways, writeCasesServable, type Failure } from './served-case.js';

/** What serving and calling many cases gave. */
export interface Sweep {
  /** Cases that Session passes: only they are served. */
  readonly cases: number;
  readonly failures: readonly Failure[];
}

export interface SweepOptions {
  /** Servers at the same time. */
  readonly servers: number;
  /** Told how far it is. */
  readonly report: (line: string) => void;
}

/** Cases per server, all in one servable: each servable needs a thread, which takes longer to start than all of these models. */
const casesPerServer = 100;

/** Runs the cases through Session, as the runtime rewrites them and as they are written; serves those that pass, and calls each over every way. Rejects for what is no answer of Session or server. */
export async function sweep(folder: string, cases: readonly ConformanceCase[], { servers, report }: SweepOptions): Promise<Sweep> {
  const passing: ConformanceCase[] = [];
  const failures: Failure[] = [];
  let refused = 0;
  for (const one of cases) {
    const isTensors = one.sets.every(({ inputs }) => Object.values(inputs).every(({ kind }) => kind === undefined));
    if (!isTensors || (await runCase(folder, one)).outcome !== 'pass') continue;
    passing.push(one);
    const { outcome, text } = await runCase(folder, one, { graphOptimization: 'none' });
    // ONNX Runtime 1.30 cannot load some float16 graphs as they are written: no other answer, but none
    if (outcome === 'refused') refused++;
    if (outcome === 'mismatch') failures.push({ name: one.name, way: 'unoptimised', text });
  }
  report(`${cases.length} cases, Session passes ${passing.length}; without optimisation it refuses ${refused} of these`);
  let called = 0;
  let taken = 0;
  const serveNext = async (): Promise<void> => {
    while (taken < passing.length) {
      const some = passing.slice(taken, (taken += casesPerServer));
      failures.push(...(await serveCases(folder, some)));
      called += some.length;
      report(`${called} of ${passing.length} called, ${failures.length} failures`);
    }
  };
  await Promise.all(Array.from({ length: servers }, serveNext));
  return { cases: passing.length, failures };
}

/** A servable that does not load is divided, until those cases are left that cannot be loaded. */
async function serveCases(folder: string, cases: readonly ConformanceCase[]): Promise<Failure[]> {
  const directory = servableDirectory();
  try {
    writeCasesServable(directory.path, 'cases', folder, cases);
    const server = await serveDirectory(directory.path);
    const clients = new GrpcClients(server.grpc);
    const failures: Failure[] = [];
    for (const one of cases) failures.push(...(await callCase(folder, one, { servable: 'cases', rest: server.rest, grpc: clients.oip })));
    clients.close();
    await server.stop();
    return failures;
  } catch (thrown) {
    const [first] = cases;
    const half = Math.ceil(cases.length / 2);
    if (cases.length > 1) return [...(await serveCases(folder, cases.slice(0, half))), ...(await serveCases(folder, cases.slice(half)))];
    if (first === undefined) return [];
    return ways.map((way) => ({ name: first.name, way, text: thrown instanceof Error ? thrown.message : String(thrown) }));
  } finally {
    directory.remove();
  }
}

/** How many passed over each way, and each failure. */
export function tableOf({ cases, failures }: Sweep): string {
  const lines = (['unoptimised', ...ways] as const).map((way) => {
    const failed = new Set(failures.filter((failure) => failure.way === way).map(({ name }) => name)).size;
    return `${way.padEnd(12)} ${String(cases - failed).padStart(5)} of ${cases} pass`;
  });
  return [...lines, ...failures.map(({ name, way, text }) => `✗ ${way.padEnd(12)} ${name}: ${text.slice(0, 300)}`)].join('\n');
}
