import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DType, Tensor } from '@mserve/wire';
import type { DistributedCase } from './distributed-cases.js';
import { root, startProcess, type RunningProcess, type ServerAddresses } from './running-process.js';

/** A directory with the servable `net` of a case, whose method `predict` takes x0, x1, ... and gives output_0, output_1, ... */
export class CaseServable {
  readonly directory = mkdtempSync(join(tmpdir(), 'mserve-distributed-'));

  /** `more`: of its declaration, after the other options. */
  constructor(
    private readonly one: DistributedCase,
    more = '',
  ) {
    const { rankSize, stageSize, withBatchDim, inputCount, outputCount } = one;
    const names = Array.from({ length: inputCount }, (_, index) => `x${index}`).join(', ');
    const outputs = Array.from({ length: outputCount }, (_, index) => `output_${index}`);
    mkdirSync(join(this.directory, 'net'));
    writeFileSync(
      join(this.directory, 'net', 'servable_config.ts'),
      [
        `import { addStage, distributed, registerMethod } from '@mserve/register';`,
        `const model = distributed.declareServable({ rankSize: ${rankSize}, stageSize: ${stageSize}, withBatchDim: ${withBatchDim}${more} });`,
        `registerMethod(${JSON.stringify(outputs)}, function predict(${names}) {`,
        `  return addStage(model, ${names}, { outputsCount: ${outputCount} });`,
        `});`,
      ].join('\n'),
    );
  }

  /** The command line of `mserve distributed serve`. */
  command(...more: readonly string[]): string[] {
    const { folder } = this.one;
    const configs = existsSync(join(folder, 'group_config_0.pb')) ? ['--group-config-files', join(folder, 'group_config_{rank}.pb')] : [];
    return [
      join(root, 'apps/server/bin/mserve.mjs'),
      'distributed',
      'serve',
      this.directory,
      ...['--servable', 'net', '--rank-table', join(folder, 'rank_table.json')],
      ...['--model-files', join(folder, 'rank_{rank}.mindir'), ...configs],
      ...['--rest', '127.0.0.1:0', '--grpc', '127.0.0.1:0', '--json', ...more],
    ];
  }

  /** Starts it on free ports; resolves when it is ready. */
  serve(...more: readonly string[]): Promise<RunningProcess & ServerAddresses> {
    return this.serveWith({}, ...more);
  }

  /** As serve(), with more variables in its environment and that of its agents. */
  async serveWith(env: Readonly<Record<string, string>>, ...more: readonly string[]): Promise<RunningProcess & ServerAddresses> {
    const running = startProcess(process.execPath, this.command(...more), env);
    const { rest, grpc } = JSON.parse(await running.line((line) => line.startsWith('{"rest"'))) as ServerAddresses;
    return { ...running, rest, grpc };
  }

  remove(): void {
    rmSync(this.directory, { recursive: true });
  }
}

const arrays: Partial<Record<DType, Float32ArrayConstructor | Int32ArrayConstructor>> = { float32: Float32Array, int32: Int32Array };

/** A tensor as nested lists, as REST takes it. */
export function nestedLists({ dtype, shape, bytes }: Tensor): unknown {
  const values = Array.from(new arrays[dtype]!(new Uint8Array(bytes).buffer) as Float32Array);
  const nest = (axis: number, from: number, length: number): unknown => {
    if (axis === shape.length) return values[from];
    const step = length / shape[axis]!;
    return Array.from({ length: shape[axis]! }, (_, index) => nest(axis + 1, from + index * step, step));
  };
  return nest(0, 0, values.length);
}

/** What REST gave for an output, as a tensor of the expected dtype. */
export function tensorOfLists(lists: unknown, dtype: DType): Tensor {
  const shape: number[] = [];
  for (let level = lists; Array.isArray(level); level = level[0]) shape.push(level.length);
  const values = ([lists] as unknown[]).flat(Infinity) as number[];
  return { dtype, shape, bytes: new Uint8Array(new arrays[dtype]!(values).buffer) };
}
