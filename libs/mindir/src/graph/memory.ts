import { Untranslatable } from '../ops/op-call.js';
import type { TensorValue, Value } from './value.js';

/**
 * What tensors hold that operators have changed in place. MindSpore orders such operators and the Loads that read after
 * them; the trace follows that order, so that the last written value is the one to read. Writes inside a branch or a loop are
 * not visible outside of it: to read such a tensor later is refused.
 */
export class Memory {
  private current = new Map<string, TensorValue>();
  private readonly lost = new Set<string>();

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
    if (this.parameters.has(variable)) throw new Untranslatable(`changes the parameter '${variable}': state that lasts from run to run has no translation`);
    const written = { ...value, variable };
    this.current.set(variable, written);
    return written;
  }

  /** Runs `trace` as a branch and tells which tensors it wrote to. Outside, they keep the values that they had. */
  branch<Result>(trace: () => Result): { result: Result; written: string[] } {
    const outer = this.current;
    this.current = new Map(outer);
    try {
      const result = trace();
      return { result, written: [...this.current].filter(([variable, value]) => outer.get(variable) !== value).map(([variable]) => variable) };
    } finally {
      this.current = outer;
    }
  }

  /** After the branches: reading what one of them wrote to is refused from here on. */
  lose(written: readonly string[]): void {
    for (const variable of written) this.lost.add(variable);
  }
}
