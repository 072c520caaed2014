import { settings } from '@mserve/config';
import { maxVersion } from '@mserve/wire';
import { InvalidArgumentError, Option, type Command } from 'commander';
import type { BenchProtocol } from '../bench/request-bodies.js';
import type { Load } from '../bench/load.js';
import { Reported } from '../cli-error.js';
import type { Foreground } from './foreground.js';
import { collect, serverAddress, wholeNumber } from './option-values.js';
import { print } from './text.js';

interface BenchFlags {
  readonly protocol: BenchProtocol;
  readonly versionNumber?: number;
  readonly concurrency?: number;
  readonly rate?: number;
  readonly arrivals: 'even' | 'random';
  readonly duration?: number;
  readonly requests?: number;
  readonly warmUp: number;
  readonly instances: number;
  readonly input: string[];
  readonly shape: string[];
  readonly seed: number;
  readonly rest: string;
  readonly grpc: string;
  readonly timeoutMs: number;
  readonly json: boolean;
}

const defaultSeconds = 10;
const closedConcurrency = 16;
const openConcurrency = 512;
const progressMs = 1_000;

function positive(most: number) {
  return (text: string): number => {
    const number = /^\d{1,9}(\.\d{1,6})?$/.test(text) ? Number(text) : NaN;
    if (!(number > 0 && number <= most)) throw new InvalidArgumentError(`a number above 0 and up to ${most} is expected.`);
    return number;
  };
}

/** `0.5`, `10` and the like, 0 among them. */
function seconds(text: string): number {
  return text === '0' ? 0 : positive(86_400)(text);
}

/** Tells once a second how far a load is, on stderr; a terminal gets one line that changes. Returns what ends it. */
function showProgress(load: Load): () => void {
  const { isTTY } = process.stderr;
  let before = 0;
  const timer = setInterval(() => {
    const { seconds: passed, answered, failed, inHand } = load.progress;
    const line =
      passed === 0
        ? 'warming up'
        : `${passed.toFixed(0)} s  ${answered} answered, ${answered - before} in the last second, ${failed} failed, ${inHand} on their way`;
    before = answered;
    process.stderr.write(isTTY ? `\r\x1b[K${line}` : `${line}\n`);
  }, progressMs);
  return () => {
    clearInterval(timer);
    if (isTTY) process.stderr.write('\r\x1b[K');
  };
}

async function bench(servable: string, method: string, flags: BenchFlags, foreground: Foreground): Promise<void> {
  const { prepareBench } = await import('../bench/bench.js');
  const { loadClient } = await import('../bench/load-clients.js');
  const { Load: LoadRun } = await import('../bench/load.js');
  const { seededRandom } = await import('../bench/method-inputs.js');
  const { benchFigures, benchText } = await import('../bench/bench-report.js');
  const { subject, bodies } = await prepareBench({ ...flags, servable, method, version: flags.versionNumber });
  const concurrency = flags.concurrency ?? (flags.rate === undefined ? closedConcurrency : openConcurrency);
  const plan = {
    concurrency,
    rate: flags.rate,
    random: flags.arrivals === 'random' ? seededRandom(flags.seed) : undefined,
    seconds: flags.duration ?? (flags.requests === undefined ? defaultSeconds : undefined),
    requests: flags.requests,
    warmUpSeconds: flags.warmUp,
  };
  const { toEnd } = foreground.takeSignals();
  const client = loadClient(flags.protocol, subject.address, concurrency, flags.timeoutMs);
  const load = new LoadRun(client, bodies, plan);
  const endProgress = showProgress(load);
  try {
    const result = await load.run(toEnd);
    endProgress();
    print(flags.json, benchFigures(subject, plan, result, toEnd.aborted), benchText(subject, plan, result, toEnd.aborted));
    if (result.failed > 0 || result.unsent > 0 || result.requests === 0) throw new Reported();
  } finally {
    endProgress();
    client.close();
  }
}

/** `mserve bench SERVABLE METHOD`. */
export function addBench(program: Command, foreground: Foreground): void {
  program
    .command('bench')
    .argument('<servable>', 'servable')
    .argument('<method>', 'method')
    .description('put load on a method of a running server, and say how long its answers take')
    .addOption(
      new Option('--protocol <protocol>', 'docs/protocols.md').choices(['oip-rest', 'oip-grpc', 'ms-rest', 'ms-grpc']).default('oip-rest'),
    )
    .option('--version-number <n>', 'servable version (default: the latest)', wholeNumber(0, maxVersion))
    .option(
      '--concurrency <n>',
      `requests on their way at a time: clients in a closed loop (default ${closedConcurrency}), with --rate the most (default ${openConcurrency})`,
      wholeNumber(1, 10_000),
    )
    .option(
      '--rate <n>',
      'open loop: so many requests a second, whatever the server does; latency counts from when each was due',
      positive(1e6),
    )
    .addOption(
      new Option('--arrivals <how>', 'gaps between requests of --rate: even, or random as of many clients')
        .choices(['even', 'random'])
        .default('even'),
    )
    .option('--duration <seconds>', `how long (default ${defaultSeconds}; with --requests no bound)`, positive(86_400))
    .option('--requests <n>', 'how many requests', wholeNumber(1, 1e9))
    .option('--warm-up <seconds>', 'how long before anything is counted', seconds, 1)
    .option('--instances <n>', 'instances of each request', wholeNumber(1, 100_000), 1)
    .option(
      '--input <name=@file|json>',
      'a value for an input, as for mserve infer; inputs of numbers that are not given are made up',
      collect(String),
      [],
    )
    .option(
      '--shape <name=n,n>',
      'dims of an input that is made up, of one instance (default: those of the method, 1 for a free one)',
      collect(String),
      [],
    )
    .option('--seed <n>', 'what is made up is the same for the same seed', wholeNumber(0, 2 ** 32 - 1), 1)
    .option(
      '--rest <host:port>',
      'REST address of the server; it describes the method, whatever the protocol',
      serverAddress,
      settings.rest.default,
    )
    .option('--grpc <host:port>', 'its gRPC address', serverAddress, settings.grpc.default)
    .option('--timeout-ms <n>', 'a request that takes longer failed', wholeNumber(1, 86_400_000), 60_000)
    .option('--json', 'print one line of JSON instead of text', false)
    .action((servable: string, method: string, flags: BenchFlags) => bench(servable, method, flags, foreground));
}
