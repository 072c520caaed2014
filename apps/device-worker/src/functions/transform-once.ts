import { createHash } from 'node:crypto';
import { basename } from 'node:path';
import { createJiti, type JitiOptions } from 'jiti';

type Transform = NonNullable<JitiOptions['transform']>;

/** How jiti writes what it could not transform: as a module that throws, with the name of the file. */
const failureMark = '__JITI_ERROR__';

/**
 * jiti's transform, whose results are kept in a directory by what was transformed: a source that lies in many places (copies of a servable, a config for
 * each version, a volume that is mounted anew) is transformed once, and loading Babel alone costs more than the rest of a load. jiti itself keeps them by
 * their place. Without a directory nothing is kept.
 */
export function transformOnce(directory: string | undefined): Transform {
  const plain = createJiti(import.meta.url, { fsCache: false });
  if (directory === undefined) return (options) => ({ code: plain.transform(options) });
  const keeping = createJiti(import.meta.url, { fsCache: directory });
  return (options) => {
    const { filename, source } = options;
    // The result names the place of a module that asks for it
    if (filename === undefined || source.includes('import.meta')) return { code: keeping.transform(options) };
    const place = `/${createHash('sha256').update(source).digest('hex')}/${basename(filename)}`;
    const code = keeping.transform({ ...options, filename: place });
    // What is wrong is told with the name of the file
    return { code: code.includes(failureMark) ? plain.transform(options) : code };
  };
}
