import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { root } from './support/running-process.js';

/** A look at the text of a message: what may not decide anything. */
const looks = [
  /\b(?:message|details|error_msg)\b[?!)]*\.(?:includes|startsWith|endsWith|match|matchAll|search|indexOf|split)\(/,
  /\.(?:test|exec)\([^()]*\bmessage\)/,
  /\bmessage\b[?!)]* (?:===|!==) (?:['"`]|[\w.]*\bmessage\b)/,
  /\b[mM]essage\b(?:\([^()]*\))?\.(?:find|rfind|compare|substr)\(/,
  /\bstr(?:n?cmp|str)\([^;]*[mM]essage/,
];

/** Where a look is no decision, or nothing else can be looked at. */
const allowed: Readonly<Record<string, string>> = {
  'apps/gateway/src/ingress/grpc-wire.ts': 'edge formatting: which characters a header may have',
  'apps/gateway/src/protocols/ms-tensors.ts': 'edge formatting: failures that read alike are written once',
  'libs/mindir/src/trace/tracer.ts': 'V8 has no code for a stack that is used up',
  'libs/native/src/native/onnxruntime/ort_lane.cc': 'ONNX Runtime has no code of its own for an integer division by zero',
};

function looksAtText(line: string): boolean {
  return !line.includes('typeof') && looks.some((look) => look.test(line));
}

function sources(): string[] {
  return ['apps', 'libs'].flatMap((group) =>
    readdirSync(join(root, group)).flatMap((room) => {
      const names = readdirSync(join(root, group, room, 'src'), { recursive: true, encoding: 'utf8' });
      return names
        .filter((name) => /\.(?:ts|cc|h)$/.test(name) && !/\.(?:spec|contract|fixture)\.ts$|(?:^|\/)(?:testing|gen)\//.test(name))
        .map((name) => `${group}/${room}/src/${name}`);
    }),
  );
}

describe('decisions hang on codes and reasons', () => {
  it.each([
    "if (error.message.includes('credentials')) return;",
    'const isMissing = thrown.message.endsWith("doesn\'t exist");',
    'if (thrown instanceof RangeError && /call stack/i.test(thrown.message)) return;',
    'if (result.failure.message !== message) return undefined;',
    "if (error.message === 'gone') return;",
    'return message.find("division by zero") != std::string::npos;',
    'std::strncmp(api.getErrorMessage(status), "Non-zero status", 15) != 0;',
  ])('is found: %s', (line) => {
    expect(looksAtText(line)).toBe(true);
  });

  it('no source looks at the text of a message to decide', () => {
    const files = sources();
    expect(files.length).toBeGreaterThan(300);
    const found = files.filter((file) => readFileSync(join(root, file), 'utf8').split('\n').some(looksAtText));
    expect(found.sort()).toEqual(Object.keys(allowed).sort());
  });
});
