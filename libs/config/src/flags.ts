import { LayerBuilder, spellings, unknownName, type Layer } from './layers.js';
import { flagOf, hasSetting, type ProgramName } from './setting.js';
import type { SettingKey } from './declarations.js';
import { valueOfText, type Shape } from './shape.js';

/** A flag that is no setting and has no value, such as `--json`. */
export interface Switch {
  readonly flag: string;
  readonly doc: string;
}

export interface ParsedFlags {
  readonly layer: Layer;
  /** Value of `--config`. */
  readonly file: string | undefined;
  /** The switches that were given, `--help` and `--print-config` among them. */
  readonly switches: ReadonlySet<string>;
}

/** Switches that every program has. */
export const commonSwitches: readonly Switch[] = [
  { flag: '--print-config', doc: 'print every setting, its value and where that came from, and end' },
  { flag: '--help', doc: 'print this and end' },
];

export interface FlagOptions {
  readonly program: ProgramName;
  readonly switches?: readonly Switch[] | undefined;
  /** The setting that an argument without flag gives. Default: such arguments are refused. */
  readonly positional?: SettingKey | undefined;
}

/** Splits `--flag=value`. */
function splitFlag(text: string): [flag: string, value: string | undefined] {
  const at = text.indexOf('=');
  return at > 0 && text.startsWith('--') ? [text.slice(0, at), text.slice(at + 1)] : [text, undefined];
}

function isList({ kind }: Shape): boolean {
  return kind === 'wholes' || kind === 'paths' || kind === 'servables';
}

/** Reads the arguments of one program from left to right. */
class FlagReader {
  private readonly builder = new LayerBuilder('flag');
  private readonly byFlag = spellings(flagOf);
  private readonly switches = new Set<string>();
  private readonly known: readonly string[];
  private file: string | undefined;
  private at = 0;

  constructor(
    private readonly argv: readonly string[],
    private readonly options: FlagOptions,
  ) {
    this.known = [...(options.switches ?? []), ...commonSwitches].map(({ flag }) => flag);
  }

  read(): ParsedFlags {
    while (this.at < this.argv.length) this.argument(this.argv[this.at++] as string);
    // Help is printed, whatever else is wrong
    const { layer } = this.builder;
    return { layer: this.switches.has('--help') ? layer : this.builder.done(), file: this.file, switches: this.switches };
  }

  private argument(text: string): void {
    if (!text.startsWith('-')) return this.operand(text);
    const [flag, inline] = splitFlag(text === '-h' ? '--help' : text);
    if (this.known.includes(flag) && inline === undefined) {
      this.switches.add(flag);
      return;
    }
    if (flag === '--config') {
      this.file = this.valueOf(flag, inline);
      return;
    }
    const spelled = this.byFlag.get(flag);
    if (spelled === undefined || !hasSetting(this.options.program, spelled.setting)) return this.withoutSetting(flag, inline);
    const { key, setting } = spelled;
    if (setting.shape.kind === 'yes-no') this.builder.add(key, flag, this.yesNo(inline), flag);
    else this.setting(key, setting.shape, flag, this.valueOf(flag, inline));
  }

  private operand(text: string): void {
    const { positional } = this.options;
    if (positional === undefined) this.builder.problem(`unknown argument '${text}': a flag such as --log-level is expected`);
    else if (this.builder.layer.has(positional)) this.builder.problem(`'${text}' is one argument too many`);
    else this.builder.add(positional, flagOf(positional), text, flagOf(positional));
  }

  /** `--no-docs`, or a name that the program does not have. */
  private withoutSetting(flag: string, inline: string | undefined): void {
    const { program } = this.options;
    const negated = this.byFlag.get(flag.replace(/^--no-/, '--'));
    if (flag.startsWith('--no-') && negated?.setting.shape.kind === 'yes-no' && hasSetting(program, negated.setting)) {
      if (inline === undefined) this.builder.add(negated.key, flag.replace(/^--no-/, '--'), false, flag);
      else this.builder.problem(`${flag} has no value`);
      return;
    }
    const elsewhere = this.byFlag.get(flag);
    this.builder.problem(
      elsewhere === undefined
        ? unknownName('flag', flag, program, flagOf, ['--config', ...this.known])
        : `unknown flag '${flag}': it is a setting of ${elsewhere.setting.apps.join(' and ')}, not of ${program}`,
    );
    // Its value, if it has one, is no argument
    if (inline === undefined && this.argv[this.at]?.startsWith('-') === false) this.at++;
  }

  private setting(key: SettingKey, shape: Shape, flag: string, text: string | undefined): void {
    if (text === undefined) return;
    const value = valueOfText(shape, text);
    const before = this.builder.layer.get(key)?.value;
    // A list's flag may be given several times; of other flags the last one holds
    this.builder.add(
      key,
      flag,
      isList(shape) && Array.isArray(before) && Array.isArray(value) ? [...(before as unknown[]), ...(value as unknown[])] : value,
      flag,
    );
  }

  private valueOf(flag: string, inline: string | undefined): string | undefined {
    if (inline !== undefined) return inline;
    const next = this.argv[this.at];
    if (next === undefined || next.startsWith('--')) {
      this.builder.problem(`${flag} needs a value`);
      return undefined;
    }
    this.at++;
    return next;
  }

  /** A yes-no flag takes the next argument only when that says yes or no: it may as well be an argument of its own. */
  private yesNo(inline: string | undefined): unknown {
    const shape: Shape = { kind: 'yes-no' };
    if (inline !== undefined) return valueOfText(shape, inline);
    const next = this.argv[this.at];
    const value = next === undefined ? undefined : valueOfText(shape, next);
    if (typeof value !== 'boolean') return true;
    this.at++;
    return value;
  }
}

/** Reads the flags of a program. Throws ConfigError with everything that is wrong with them; values are not checked yet. */
export function parseFlags(argv: readonly string[], options: FlagOptions): ParsedFlags {
  return new FlagReader(argv, options).read();
}
