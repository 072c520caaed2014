const namePattern = /^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/;
const tokenPattern = /^[A-Za-z0-9_-]+$/;
const maxNameLength = 200;

/**
 * The name itself when it is made of tokens [A-Za-z0-9_-]+ joined by single dots; TypeError otherwise.
 * Addresses, subjects and topics pass through here before they become part of a subject: a raw name from outside (`a.>`) is a bug.
 */
export function checkName(kind: string, name: string): string {
  if (typeof name !== 'string' || name.length > maxNameLength || !namePattern.test(name)) {
    throw new TypeError(
      `${kind} ${JSON.stringify(name)} is not a name of at most ${maxNameLength} characters made of [A-Za-z0-9_-]+ and single dots`,
    );
  }
  return name;
}

/** Like {@link checkName}, without dots: a role, a channel. */
export function checkToken(kind: string, token: string): string {
  if (typeof token !== 'string' || token.length > maxNameLength || !tokenPattern.test(token)) {
    throw new TypeError(`${kind} ${JSON.stringify(token)} is not a name of at most ${maxNameLength} characters made of [A-Za-z0-9_-]+`);
  }
  return token;
}
