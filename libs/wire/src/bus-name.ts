/** What an address, subject or topic of the bus looks like (and at most 200 characters). */
export const busNamePattern = /^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/;

/** Whether this may be an address, subject or topic of the bus: at most 200 characters, [A-Za-z0-9_-]+ joined by single dots. */
export function isBusName(name: string): boolean {
  return name.length <= 200 && busNamePattern.test(name);
}
