import { isRecord } from '@mserve/wire';

/** The object that a JSON text holds; undefined when it is no JSON or holds something else. */
export function jsonObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
