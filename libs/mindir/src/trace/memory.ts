import { Untranslatable } from '../ops/op-call.js';
import type { TensorValue, Value } from '../graph/value.js';

/** What a branch did to tensors. */
export interface MemoryEffects {
  /** Tensors that hold other values at the end of the branch. */
  readonly written: readonly string[];
  readonly current: ReadonlyMap<string, TensorValue>;
  readonly lost: ReadonlySet<string>;
}

/**
 * What tensors hold that operators have changed in place. MindSpore orders such operators and the Loads that read after
 * them; the trace follows that order, so that the last written value is the one to read. Writes inside a branch or a loop are
 * not visible outside of it: to read such a tensor later is refused.
 */
export class Memory {
  private current = new Map<string, TensorValue>();
  private lost = new Set<string>();

  /** `parameters`: names of weights, which must not change (a later run would see it). */
  constructor(private readonly parameters: ReadonlySet<string>) {}

  /** The value as it is now. */
  read(value: Value): Value {
    if (value.kind !== 'tensor') return value;
    const variable = value.variable ?? value.name;
    if (this.lost.has(variable)) throw new Untranslatable('reads a tensor that a branch or a loop changed in place');
    return this.current.get(variable) ?? value;
  }

  /** Notes the new value of what `target` names and gives it back. */
  write(target: Value, value: TensorValue): TensorValue {
    if (target.kind !== 'tensor') return value;
    const variable = target.variable ?? target.name;
    if (this.parameters.has(variable))
      throw new Untranslatable(`changes the parameter '${variable}': state that lasts from run to run has no translation`);
    const written = { ...value, variable };
    this.current.set(variable, written);
    return written;
  }

  /**
   * Runs `trace` as a branch or a loop body and tells what it did. Outside, nothing has happened: the trace may be thrown
   * away (a loop is traced until its assumptions hold); a caller that keeps it says so with {@link lose} or {@link adopt}.
   */
  branch<Result>(trace: () => Result): { result: Result; effects: MemoryEffects } {
    const outer = { current: this.current, lost: this.lost };
    this.current = new Map(outer.current);
    this.lost = new Set(outer.lost);
    try {
      const result = trace();
      const changed = [...this.current].filter(([variable, value]) => outer.current.get(variable) !== value).map(([variable]) => variable);
      const lost = [...this.lost].filter((variable) => !outer.lost.has(variable));
      return { result, effects: { written: [...changed, ...lost], current: this.current, lost: this.lost } };
    } finally {
      this.current = outer.current;
      this.lost = outer.lost;
    }
  }

  /** After a branch that may or may not run: reading what it wrote to is refused from here on. */
  lose(effects: MemoryEffects | undefined): void {
    for (const variable of effects?.written ?? []) this.lost.add(variable);
  }

  /** After a branch that runs in any case. */
  adopt(effects: MemoryEffects): void {
    this.current = new Map(effects.current);
    this.lost = new Set(effects.lost);
  }
}
