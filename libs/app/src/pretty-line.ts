import { inspect } from 'node:util';

const levels: Readonly<Record<number, string>> = { 20: 'debug', 30: 'info ', 40: 'WARN ', 50: 'ERROR', 60: 'FATAL' };

/** Those that every line has, and what is shown of them elsewhere in it. */
const common: readonly string[] = ['level', 'time', 'pid', 'hostname', 'name', 'msg', 'err'];

/** A line of pino's JSON as people read it: `12:34:56.789 WARN  server: text key=value`, with the stack of an error below. What is no JSON is given back. */
export function prettyLine(line: string): string {
  let fields: Readonly<Record<string, unknown>>;
  try {
    fields = JSON.parse(line) as Readonly<Record<string, unknown>>;
  } catch {
    return line;
  }
  const { level, time, name, msg, err } = fields;
  const clock = typeof time === 'number' ? localTime(new Date(time)) : '';
  const others = Object.entries(fields).filter(([key]) => !common.includes(key));
  const shown = others.map(
    ([key, value]) => ` ${key}=${typeof value === 'string' && /^[!#-<>-~]+$/.test(value) ? value : JSON.stringify(value)}`,
  );
  const head = `${clock} ${levels[Number(level)] ?? String(level)} ${textOf(name)}: ${textOf(msg)}${shown.join('')}\n`;
  return err === undefined ? head : `${head}${indented(stackOf(err))}\n`;
}

function localTime(date: Date): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${String(date.getMilliseconds()).padStart(3, '0')}`;
}

/** Without characters that would steer a terminal. */
function textOf(value: unknown): string {
  if (typeof value !== 'string') return '';
  return value.replaceAll(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/g, (character) => JSON.stringify(character).slice(1, -1));
}

function stackOf(err: unknown): string {
  if (typeof err !== 'object' || err === null) return inspect(err);
  const { stack, message } = err as { readonly stack?: unknown; readonly message?: unknown };
  return textOf(stack) || textOf(message) || inspect(err);
}

function indented(text: string): string {
  return text.replaceAll(/^/gm, '    ');
}
