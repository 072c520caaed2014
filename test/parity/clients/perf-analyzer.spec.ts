import { execFile, execFileSync } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { serveDirectory, type RunningProcess, type ServerAddresses } from '../../support/running-process.js';

const command = process.env['PERF_ANALYZER'] ?? 'perf_analyzer';

function missingFor(): string | undefined {
  try {
    execFileSync(command, ['--version'], { stdio: 'pipe' });
    return undefined;
  } catch {
    return `${command} does not run here, see docs/development.md`;
  }
}

interface Statistics {
  readonly model_stats: readonly { readonly inference_count: number; readonly execution_count: number }[];
}

const missing = missingFor();
const requests = 40;

(missing === undefined ? describe : describe.skip)(`Triton's perf_analyzer${missing === undefined ? '' : ` (skipped: ${missing})`}`, () => {
  let server: RunningProcess & ServerAddresses;
  beforeAll(async () => {
    server = await serveDirectory('examples', ['--servable', 'add']);
  }, 120_000);
  afterAll(() => server?.stop());

  const served = async (): Promise<number | undefined> => {
    const stats = (await (await fetch(`http://${server.rest}/v2/models/add.add_common/stats`)).json()) as Statistics;
    return stats.model_stats[0]?.inference_count;
  };

  it.each<[string, 'rest' | 'grpc', readonly string[]]>([
    ['REST', 'rest', ['-i', 'http']],
    ['gRPC', 'grpc', ['-i', 'grpc']],
    ['gRPC, four at a time', 'grpc', ['-i', 'grpc', '--async', '--concurrency-range', '4']],
    ['a gRPC stream', 'grpc', ['-i', 'grpc', '--streaming', '--async']],
  ])(
    'reads configuration and statistics, and measures tensor_add, over %s',
    async (_, port, flags) => {
      const before = (await served()) ?? 0;
      const load = ['-m', 'add.add_common', '-u', server[port] as string, ...flags, '--request-count', String(requests)];
      const { stdout } = await promisify(execFile)(command, load);
      expect(stdout).toMatch(/Throughput: [1-9]/);
      // What it read of the server's statistics
      expect(stdout).toMatch(/Execution count: [1-9]/);
      expect(stdout).toMatch(/compute infer \d+ usec/);
      expect(((await served()) ?? 0) - before).toBeGreaterThanOrEqual(requests);
    },
    120_000,
  );
});
