import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ElementType, NativeTensor } from '@mserve/native';
import { readOnnxModel } from '@mserve/onnx';
import { dtypeEntry, dtypeOfOipName } from '@mserve/wire';
import { isClose, load, type ConformanceCase } from './conformance-case.js';
import { inferGrpc, inferRestBinary, inferRestJson, type Answer, type Call, type OipTensor } from './oip-calls.js';

/** The ways in which a served case is called. */
export const ways = ['grpc', 'rest binary', 'rest json'] as const;
export type Way = (typeof ways)[number];

/** What went wrong with one case over one way; 'unoptimised': run by a Session without the runtime's optimisation. */
export interface Failure {
  readonly name: string;
  readonly way: Way | 'unoptimised';
  readonly text: string;
}

/** Where the servable of a case is served. */
export interface CaseServer extends Pick<Call, 'rest' | 'grpc'> {
  readonly servable: string;
}

/** Writes a servable with a model and a method for each case; one run for each request. */
export function writeCasesServable(directory: string, servable: string, folder: string, cases: readonly ConformanceCase[]): void {
  mkdirSync(join(directory, servable, '1'), { recursive: true });
  for (const { name } of cases) copyFileSync(join(folder, `${name}.onnx`), join(directory, servable, '1', `${name}.onnx`));
  writeFileSync(
    join(directory, servable, 'servable_config.ts'),
    `import { addStage, declareModel, registerMethod } from '@mserve/register';\n${cases.map(({ name }) => methodText(folder, name)).join('')}`,
  );
}

function methodText(folder: string, name: string): string {
  const { inputs, outputs, initializers } = readOnnxModel(join(folder, `${name}.onnx`)).graph;
  const given = inputs.filter((input) => !initializers.has(input.name)).map((input) => input.name);
  const parameters = given.map((_, i) => `x${i}`).join(', ');
  const described = Object.fromEntries(given.map((input, i) => [`x${i}`, { name: input }]));
  const named = JSON.stringify({ inputs: described, outputs: outputs.map((output) => output.name) });
  return `
const model_${name} = declareModel({ modelFile: '${name}.onnx', modelFormat: 'ONNX', withBatchDim: false });
registerMethod(${named}, function ${name}(${parameters}) {
  return addStage(model_${name}, ${[...(parameters === '' ? [] : [parameters]), `{ outputsCount: ${outputs.length} }`].join(', ')});
});
`;
}

/** Calls the method of a case over each way, with each of its sets. Never rejects: what went wrong is in the failures. */
export async function callCase(folder: string, conformance: ConformanceCase, server: CaseServer): Promise<Failure[]> {
  const { name, sets } = conformance;
  const bytes = readFileSync(join(folder, `${name}.bin`));
  const failures: Failure[] = [];
  for (const way of ways) {
    for (const set of sets) {
      const inputs = Object.entries(set.inputs).map(([input, tensor]) => oipTensor(input, load(bytes, tensor)));
      const expected = set.expected.map((tensor) => load(bytes, tensor));
      const text = await call[way]({ ...server, model: `${server.servable}.${name}`, inputs }).then(
        (answer) => difference(answer, expected, conformance),
        (thrown: unknown) => (thrown instanceof Error ? thrown.message : String(thrown)),
      );
      if (text !== undefined) failures.push({ name, way, text });
    }
  }
  return failures;
}

const call: Readonly<Record<Way, (call: Call) => Promise<Answer>>> = {
  grpc: inferGrpc,
  'rest binary': inferRestBinary,
  'rest json': inferRestJson,
};

function oipTensor(name: string, { dtype, shape, bytes }: NativeTensor): OipTensor {
  return { name, datatype: dtypeEntry(dtype === 'string' ? 'bytes' : dtype).oipName, shape, bytes };
}

function difference(answer: Answer, expected: readonly NativeTensor[], conformance: ConformanceCase): string | undefined {
  if (answer.length !== expected.length) return `${answer.length} outputs, ${expected.length} are expected`;
  for (const [i, output] of answer.entries()) {
    const dtype = nativeDtype(output.datatype);
    if (dtype === undefined) return `output '${output.name}' has datatype ${output.datatype}`;
    if (!isClose({ dtype, shape: output.shape, bytes: output.bytes }, expected[i] as NativeTensor, conformance))
      return `output '${output.name}', ${output.datatype} [${output.shape.join(', ')}], is not as expected`;
  }
  return undefined;
}

function nativeDtype(datatype: string): ElementType | undefined {
  const dtype = dtypeOfOipName(datatype)?.dtype;
  return dtype === 'bytes' ? 'string' : dtype;
}
