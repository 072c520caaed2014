import { maxVersion } from '@mserve/wire';

/** What a setting's value may be. Plain data: the parser, the check, `--help`, the tables and the JSON Schema all read it. */
export type Shape =
  | { readonly kind: 'whole'; readonly min: number; readonly max: number }
  | { readonly kind: 'number'; readonly min: number; readonly max: number }
  | { readonly kind: 'yes-no' }
  | { readonly kind: 'choice'; readonly choices: readonly string[] }
  /** Text that `pattern` fits; `allowed` says in words what that is. */
  | { readonly kind: 'text'; readonly pattern: string; readonly allowed: string }
  /** Path of a file or a folder. */
  | { readonly kind: 'path' }
  /** Where a public port listens (see parseAddress). Empty: no port. */
  | { readonly kind: 'address'; readonly unix: boolean }
  /** `memory`, or NATS servers with commas between them. */
  | { readonly kind: 'bus' }
  /** At least one entry, no entry twice. As text: with commas between them. */
  | { readonly kind: 'wholes'; readonly min: number; readonly max: number; readonly most: number }
  | { readonly kind: 'paths'; readonly most: number }
  | { readonly kind: 'servables' };

declare const valueType: unique symbol;

/** A shape, with the type of its values for the compiler. */
export type ShapeOf<Value> = Shape & { readonly [valueType]?: Value };

/** A whole number from `min` to `max`, both included. */
export const whole = (min: number, max: number): ShapeOf<number> => ({ kind: 'whole', min, max });
/** A number from `min` to `max`, both included. */
export const decimal = (min: number, max: number): ShapeOf<number> => ({ kind: 'number', min, max });
/** A switch: true or false. */
export const yesNo = (): ShapeOf<boolean> => ({ kind: 'yes-no' });
/** One of the given words. */
export const choice = <const Choice extends string>(...choices: readonly Choice[]): ShapeOf<Choice> => ({ kind: 'choice', choices });
/** Text that matches `pattern`; `allowed` says in words what that is. */
export const text = (pattern = '^[^]+$', allowed = 'text that is not empty'): ShapeOf<string> => ({ kind: 'text', pattern, allowed });
/** Names of hosts as one text, with commas between them. */
export const hostNames = (): ShapeOf<string> => text('^[A-Za-z0-9._\\-]+(?:,[A-Za-z0-9._\\-]+)*$', 'host names with commas between them');
/** The path of a file or directory. */
export const path = (): ShapeOf<string> => ({ kind: 'path' });
/** The address of a port: `host:port`, and with `unix` also `unix:path`. */
export const address = (ports: { readonly unix: boolean }): ShapeOf<string> => ({ kind: 'address', unix: ports.unix });
/** Where the bus is: `memory`, or addresses of NATS servers. */
export const busAddress = (): ShapeOf<string> => ({ kind: 'bus' });
/** A list of at most `most` whole numbers from `min` to `max`. */
export const wholes = (min: number, max: number, most: number): ShapeOf<readonly number[]> => ({ kind: 'wholes', min, max, most });
/** A list of at most `most` paths of files. */
export const paths = (most: number): ShapeOf<readonly string[]> => ({ kind: 'paths', most });
/** A list of servables, each `name` or `name:version`. */
export const servableList = (): ShapeOf<readonly string[]> => ({ kind: 'servables' });

/** What is allowed, in words that follow "must be". */
export function allowedOf(shape: Shape): string {
  switch (shape.kind) {
    case 'whole':
      return `a whole number from ${shape.min} to ${shape.max}`;
    case 'number':
      return `a number from ${shape.min} to ${shape.max}`;
    case 'yes-no':
      return 'true or false';
    case 'choice':
      return `one of ${shape.choices.join(', ')}`;
    case 'text':
      return shape.allowed;
    case 'path':
      return 'a path';
    case 'address':
      return `HOST:PORT${shape.unix ? ' or unix:PATH' : ''}, for example 127.0.0.1:${shape.unix ? 5500 : 1500}, or empty for no port`;
    case 'bus':
      return 'memory, nats://HOST:PORT or tls://HOST:PORT (several servers with commas between them; the login has settings of its own)';
    case 'wholes':
      return `a list of 1 to ${shape.most} different whole numbers from ${shape.min} to ${shape.max}`;
    case 'paths':
      return `a list of 1 to ${shape.most} different paths`;
    case 'servables':
      return `a list of different NAME or NAME:VERSION, the version up to ${maxVersion}`;
  }
}

/** How a value is shown in `--help` and tables: `--max-msg-mb-size N`. Empty for yes-no settings, whose flags need none. */
export function placeholderOf(shape: Shape): string {
  switch (shape.kind) {
    case 'whole':
    case 'number':
      return 'N';
    case 'yes-no':
      return '';
    case 'choice':
      return 'WORD';
    case 'text':
      return 'TEXT';
    case 'path':
      return 'PATH';
    case 'address':
      return 'ADDRESS';
    case 'bus':
      return 'BUS';
    case 'wholes':
      return 'N,N';
    case 'paths':
      return 'PATH,PATH';
    case 'servables':
      return 'NAME,NAME:VERSION';
  }
}

const decimalText = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$/;

function numberOf(text: string): unknown {
  return decimalText.test(text) ? Number(text) : text;
}

/** The value that the text of a flag or of a variable stands for. Text that stands for none is given back as it is; the check refuses it. */
export function valueOfText(shape: Shape, text: string): unknown {
  switch (shape.kind) {
    case 'whole':
    case 'number':
      return numberOf(text);
    case 'yes-no':
      if (/^(true|yes|on|1)$/i.test(text)) return true;
      if (/^(false|no|off|0)$/i.test(text)) return false;
      return text;
    case 'wholes':
      return text === '' ? [] : text.split(',').map(numberOf);
    case 'paths':
    case 'servables':
      return text === '' ? [] : text.split(',');
    case 'choice':
      return shape.choices.find((one) => one.toLowerCase() === text.toLowerCase()) ?? text;
    default:
      return text;
  }
}

/** The bounds of a number's shape; of other shapes, none. */
export function boundsOf({ shape }: { readonly shape: Shape }): { readonly min: number; readonly max: number } {
  return shape.kind === 'whole' || shape.kind === 'number' || shape.kind === 'wholes' ? shape : { min: -Infinity, max: Infinity };
}
