/**
 * Writes toy OM files for the fake AscendCL library (libs/native/test/fake-acl/fake_graph.cc says what it reads): the real header of 256 bytes, then lines of
 * text, then the weights.
 */
export interface OmValue {
  readonly name: string;
  readonly dtype: string;
  /** -1: the batch of a model with gears. */
  readonly shape: readonly number[];
}

export interface OmModel {
  readonly inputs: readonly OmValue[];
  /** `tensor`: what a node calls it; its own name when left out. */
  readonly outputs: readonly (OmValue & { readonly tensor?: string })[];
  readonly nodes: readonly {
    readonly op: string;
    readonly inputs: readonly string[];
    readonly output: string;
    readonly attributes?: Record<string, string | number>;
  }[];
  readonly weights?: readonly (OmValue & { readonly bytes: Uint8Array })[];
  /** Batch sizes that it was compiled for. */
  readonly gears?: readonly number[];
  /** How long each run takes. */
  readonly sleepUs?: number;
  /** The run with this number (from 1) fails with this code of AscendCL. */
  readonly fail?: { readonly run: number; readonly code: number };
}

const dims = (shape: readonly number[]): string => (shape.length === 0 ? '-' : shape.join(','));

function lines(model: OmModel): string[] {
  let offset = 0;
  const weights = (model.weights ?? []).map(({ name, dtype, shape, bytes }) => {
    const line = `weight ${name} ${dtype} ${dims(shape)} ${offset}`;
    offset += bytes.length;
    return line;
  });
  return [
    ...model.inputs.map(({ name, dtype, shape }) => `input ${name} ${dtype} ${dims(shape)}`),
    ...model.outputs.map(({ name, dtype, shape, tensor = name }) => `output ${name} ${dtype} ${dims(shape)} ${tensor}`),
    ...(model.gears === undefined ? [] : [`gears ${model.gears.join(',')}`]),
    ...weights,
    ...model.nodes.map(({ op, inputs, output, attributes = {} }) =>
      ['node', op, inputs.join(','), output, ...Object.entries(attributes).map(([name, value]) => `${name}=${value}`)].join(' '),
    ),
    ...(model.sleepUs === undefined ? [] : [`sleep_us ${model.sleepUs}`]),
    ...(model.fail === undefined ? [] : [`fail ${model.fail.run} ${model.fail.code}`]),
  ];
}

/** The bytes of a toy OM file. */
export function omModel(model: OmModel): Uint8Array {
  const body = Buffer.concat([Buffer.from(`${lines(model).join('\n')}\nblob\n`), ...(model.weights ?? []).map(({ bytes }) => bytes)]);
  const header = Buffer.alloc(256);
  header.write('IMOD', 0);
  header.writeUInt32LE(256, 4);
  header.writeUInt32LE(body.length, 76);
  header.writeUInt8(1, 82);
  header.writeBigUInt64LE(BigInt(body.length), 184);
  return Buffer.concat([header, body]);
}
