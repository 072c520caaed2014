import { readFileSync } from 'node:fs';

/** What functions run in: threads of this process, or processes of their own, which may crash without ending this one. */
export type FunctionIsolation = 'thread' | 'process';

/** ES modules export it, CommonJS assigns it. */
const line = /^[ \t]*(?:export[ \t]+const[ \t]+|(?:module\.)?exports\.)functionIsolation\b[^='"\n]*=[ \t]*(['"])(thread|process)\1/m;

/**
 * What a servable_config says that its functions run in: `export const functionIsolation = 'process'`, read from its text, because it must be known before
 * anything of it runs. undefined: it says nothing, or cannot be read. When it is loaded, it must export just that (see loadConfig).
 */
export function declaredIsolation(configFile: string): FunctionIsolation | undefined {
  let source: string;
  try {
    source = readFileSync(configFile, 'utf8');
  } catch {
    return undefined; // the load says why
  }
  const declared = line.exec(source)?.[2];
  return declared === 'thread' || declared === 'process' ? declared : undefined;
}
