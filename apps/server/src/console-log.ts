import type { AppLog } from '@mserve/app';

/**
 * What the worker says on the console of a server that runs in the foreground: `✗ servable, device 0: reason` of what failed, `! servable, device 0: remark`
 * of what is worth knowing although the servable is served. What is no warning goes to the log.
 */
export function consoleLog(write: (line: string) => void, log: AppLog): AppLog {
  const line = (sign: string, fields: Readonly<Record<string, unknown>>, text: string): void => {
    const { servable, deviceId, version, err, ...others } = fields;
    const about =
      typeof servable === 'string'
        ? `${servable}${typeof version === 'number' && version > 0 ? ` version ${version}` : ''}${typeof deviceId === 'number' ? `, device ${deviceId}` : ''}: `
        : '';
    const rest = Object.keys(others).length === 0 ? '' : ` ${JSON.stringify(others)}`;
    write(`${sign} ${about}${text}${rest}${err === undefined ? '' : `: ${err instanceof Error ? err.message : String(err)}`}`);
  };
  return {
    info: (fields, text) => log.info(fields, text),
    debug: (fields, text) => log.debug(fields, text),
    warn: (fields, text) => line('!', fields, text),
    error: (fields, text) => line('✗', fields, text),
    isLevelEnabled: (level) => log.isLevelEnabled?.(level) ?? true,
  };
}
