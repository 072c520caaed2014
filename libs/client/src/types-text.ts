import { isVariableSize, type DType } from '@mserve/wire';
import type { MethodDescription, ValueDescription } from './description.js';

/** The TypeScript of a scalar of this dtype. */
function elementType(dtype: DType): string {
  if (dtype === 'bool') return 'boolean';
  return dtype === 'int64' || dtype === 'uint64' ? 'bigint' : 'number';
}

function inputType({ dtype, shape }: ValueDescription): string {
  if (dtype === undefined) return 'ClientInput';
  if (dtype === 'string') return shape?.length === 0 ? 'string' : 'NestedTexts';
  if (dtype === 'bytes') return shape?.length === 0 ? 'Uint8Array | ArrayBuffer' : 'NestedTexts';
  return `NumbersFor<'${dtype}'>`;
}

function outputType({ dtype, shape }: ValueDescription): string {
  if (dtype === undefined) return 'ClientOutput';
  if (isVariableSize(dtype)) {
    const one = dtype === 'string' ? 'string' : 'Uint8Array';
    return shape?.length === 0 ? one : `${one} | readonly ${one}[]`;
  }
  if (shape === undefined) return `Tensor<'${dtype}'> | ${elementType(dtype)}`;
  return shape.length === 0 ? elementType(dtype) : `Tensor<'${dtype}'>`;
}

/** A name as a property: quoted where it is no identifier. */
function property(name: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name);
}

function shapeNote({ dtype, shape }: ValueDescription): string {
  if (dtype === undefined) return 'any value';
  return shape === undefined ? `${dtype} of any shape` : `${dtype} [${shape.map((dim) => (dim < 0 ? '?' : dim)).join(', ')}]`;
}

function members(values: readonly ValueDescription[], typeOf: (value: ValueDescription) => string): string[] {
  return values.flatMap((value) => [
    `          /** ${shapeNote(value)} */`,
    `          readonly ${property(value.name)}${value.optional ? '?' : ''}: ${typeOf(value)}${value.optional ? ' | undefined' : ''};`,
  ]);
}

/** The text of a `.d.ts` that tells TypeScript these methods (see Servables). One version of each: that of its description. `source`: where they come from. */
export function typesOf(descriptions: readonly MethodDescription[], source: string): string {
  const byServable = new Map<string, MethodDescription[]>();
  const sorted = [...descriptions].sort((a, b) =>
    a.servable === b.servable ? compare(a.method, b.method) : compare(a.servable, b.servable),
  );
  for (const description of sorted) {
    const methods = byServable.get(description.servable) ?? [];
    byServable.set(description.servable, [...methods, description]);
  }
  const body = [...byServable].flatMap(([servable, methods]) => [
    `    readonly ${property(servable)}: {`,
    ...methods.flatMap(({ method, version, inputs, outputs }) => [
      `      /** Version ${version} */`,
      `      readonly ${property(method)}: {`,
      '        readonly inputs: {',
      ...members(inputs, inputType),
      '        };',
      '        readonly outputs: {',
      ...members(outputs, outputType),
      '        };',
      '      };',
    ]),
    '    };',
  ]);
  const used = ['ClientInput', 'ClientOutput', 'NestedTexts', 'NumbersFor', 'Tensor'].filter((name) =>
    body.some((line) => new RegExp(`\\b${name}\\b`).test(line)),
  );
  return [
    `// Made by mserve types from ${source.replaceAll(/[\r\n]/g, ' ')}. Do not edit.`,
    used.length === 0 ? "import '@mserve/client';" : `import type { ${used.join(', ')} } from '@mserve/client';`,
    '',
    "declare module '@mserve/client' {",
    '  interface Servables {',
    ...body,
    '  }',
    '}',
    ...(used.length === 0 ? ['export {};'] : []),
    '',
  ].join('\n');
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
