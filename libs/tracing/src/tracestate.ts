import type { TraceState } from '@opentelemetry/api';

/** Names of tracing systems with what they noted, the last that noted something first. */
export type TracestateMembers = ReadonlyMap<string, string>;

const mostMembers = 32;
const mostLength = 512;
/** When there is too much, members longer than this go first. */
const longMember = 128;

const memberForm = /^([a-z0-9][a-z0-9_\-*/@]{0,255})=([\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e])$/;

/**
 * Reads a tracestate (https://www.w3.org/TR/trace-context-2, 3.3): at most {@link mostMembers} members and {@link mostLength} characters of it; of two with the same name the
 * first. undefined for what is none: one member that is wrong makes all of it so.
 */
export function tracestateOf(text: string): TracestateMembers | undefined {
  const members = new Map<string, string>();
  for (const part of text.split(',')) {
    const member = part.replace(/^[ \t]+|[ \t]+$/g, '');
    if (member === '') continue;
    const [, name, value] = memberForm.exec(member) ?? [];
    if (name === undefined || value === undefined) return undefined;
    if (!members.has(name)) members.set(name, value);
  }
  return members.size === 0 ? undefined : shortened(members);
}

function shortened(members: Map<string, string>): TracestateMembers {
  const names = [...members.keys()];
  for (const name of names.slice(mostMembers)) members.delete(name);
  for (const [name, value] of members) {
    if (textOf(members).length <= mostLength) break;
    if (name.length + 1 + value.length > longMember) members.delete(name);
  }
  for (const name of [...members.keys()].reverse()) {
    if (textOf(members).length <= mostLength) break;
    members.delete(name);
  }
  return members;
}

/** As it goes out. */
function textOf(members: TracestateMembers): string {
  return [...members].map(([name, value]) => `${name}=${value}`).join(',');
}

/** A tracestate for OpenTelemetry; its own takes no names that begin with a digit. */
export class Tracestate implements TraceState {
  constructor(private readonly members: TracestateMembers) {}

  set(key: string, value: string): TraceState {
    return new Tracestate(new Map([[key, value], ...this.without(key)]));
  }

  unset(key: string): TraceState {
    return new Tracestate(new Map(this.without(key)));
  }

  get(key: string): string | undefined {
    return this.members.get(key);
  }

  serialize(): string {
    return textOf(this.members);
  }

  private without(key: string): [string, string][] {
    return [...this.members].filter(([name]) => name !== key);
  }
}
