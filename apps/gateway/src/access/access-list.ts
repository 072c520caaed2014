import { createHash, timingSafeEqual } from 'node:crypto';
import { isRecord } from '@mserve/wire';
import type { Client } from '../edge/access.js';

/** What is wrong with a file of clients. The text names the entry, never what is in it. */
export class AccessFileError extends Error {
  override readonly name = 'AccessFileError';
}

/** Attributes of a certificate's subject, such as CN and O. */
type Subject = Readonly<Record<string, string>>;

interface KnownClient extends Client {
  readonly digests: readonly Buffer[];
  readonly subject: Subject | undefined;
}

const fewestCharacters = 16;
const mostClients = 100_000;
const hashPattern = /^sha256:[0-9a-fA-F]{64}$/;
/** Bytes of a digest that tell where to look: whoever measures them learns nothing of a key. */
const bucketBytes = 4;

/** The clients of a file, with their keys as SHA-256 only. */
export class AccessList {
  private readonly byDigest = new Map<number, { readonly digest: Buffer; readonly client: KnownClient }[]>();
  private readonly withSubject: readonly KnownClient[];

  private constructor(readonly clients: readonly KnownClient[]) {
    for (const client of clients) {
      for (const digest of client.digests) {
        const bucket = digest.readUInt32BE(0);
        const known = this.byDigest.get(bucket);
        if (known === undefined) this.byDigest.set(bucket, [{ digest, client }]);
        else known.push({ digest, client });
      }
    }
    this.withSubject = clients.filter(({ subject }) => subject !== undefined);
  }

  /** Throws {@link AccessFileError}. */
  static parse(text: string): AccessList {
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (error) {
      // The words of the parser would show what is around the fault, which may be a key
      const at = /position (\d+)/.exec((error as Error).message)?.[1];
      const line = at === undefined ? '' : ` (line ${text.slice(0, Number(at)).split('\n').length})`;
      throw new AccessFileError(`is not JSON${line}`);
    }
    if (!isRecord(value) || !Array.isArray(value['clients'])) throw new AccessFileError('has no list "clients"');
    refuseUnknown(value, ['clients', '$schema'], 'the file');
    const entries: readonly unknown[] = value['clients'];
    if (entries.length > mostClients) throw new AccessFileError(`has more than ${mostClients} clients`);
    const clients = entries.map(readClient);
    const twice = firstTwice(clients.map(({ name }) => name));
    if (twice !== undefined) throw new AccessFileError(`has two clients '${twice}'`);
    const sameKey = firstTwice(clients.flatMap(({ digests }) => digests.map((digest) => digest.toString('hex'))));
    if (sameKey !== undefined) {
      const names = clients
        .filter(({ digests }) => digests.some((digest) => digest.toString('hex') === sameKey))
        .map(({ name }) => `'${name}'`);
      throw new AccessFileError(`has the same key twice (${[...new Set(names)].join(', ')})`);
    }
    return new AccessList(clients);
  }

  /** The client with this key, in a time that does not depend on how much of it is right. */
  byKey(key: string): Client | undefined {
    const digest = digestOf(key);
    for (const known of this.byDigest.get(digest.readUInt32BE(0)) ?? []) {
      if (timingSafeEqual(known.digest.subarray(bucketBytes), digest.subarray(bucketBytes))) return known.client;
    }
    return undefined;
  }

  /** The first client whose every attribute the subject of a verified certificate has. */
  bySubject(attributes: readonly (readonly [name: string, value: string])[]): Client | undefined {
    return this.withSubject.find(({ subject }) =>
      Object.entries(subject ?? {}).every(([name, value]) => attributes.some(([own, has]) => own === name && has === value)),
    );
  }
}

function digestOf(key: string): Buffer {
  return createHash('sha256').update(key).digest();
}

function readClient(entry: unknown, index: number): KnownClient {
  const place = `client ${index + 1}`;
  if (!isRecord(entry)) throw new AccessFileError(`${place} is no object`);
  const { name, keys = [], subject, servables } = entry;
  if (typeof name !== 'string' || name === '' || name.length > 200)
    throw new AccessFileError(`${place} has no "name" of 1 to 200 characters`);
  const called = `client '${name}'`;
  refuseUnknown(entry, ['name', 'keys', 'subject', 'servables'], called);
  if (!Array.isArray(keys) || !keys.every((key): key is string => typeof key === 'string'))
    throw new AccessFileError(`${called}: "keys" is no list of texts`);
  const digests = keys.map((key, at) => readKey(key, `${called}: key ${at + 1}`));
  if (subject !== undefined && !isSubject(subject))
    throw new AccessFileError(`${called}: "subject" is not like {"CN": "name", "O": "organisation"}`);
  if (digests.length === 0 && subject === undefined) throw new AccessFileError(`${called} has neither "keys" nor "subject"`);
  if (servables !== undefined && !isNames(servables)) throw new AccessFileError(`${called}: "servables" is no list of names`);
  const allowed = servables === undefined ? undefined : new Set(servables.map((servable) => servable.normalize('NFC')));
  return {
    name,
    digests,
    subject,
    mayUse: (servable) => allowed === undefined || allowed.has(servable.normalize('NFC')),
    mayMean: (model) => allowed === undefined || couldBe(model.normalize('NFC'), allowed),
    usesAll: allowed === undefined,
  };
}

function couldBe(model: string, servables: ReadonlySet<string>): boolean {
  for (const servable of servables) if (model === servable || model.startsWith(`${servable}.`)) return true;
  return false;
}

function readKey(key: string, place: string): Buffer {
  if (key.startsWith('sha256:')) {
    if (!hashPattern.test(key)) throw new AccessFileError(`${place} is not sha256: and 64 hexadecimal digits`);
    return Buffer.from(key.slice('sha256:'.length), 'hex');
  }
  if (key.length < fewestCharacters || !/^[\x21-\x7e]+$/.test(key))
    throw new AccessFileError(`${place} has fewer than ${fewestCharacters} characters, or some that are not printable ASCII`);
  return digestOf(key);
}

function refuseUnknown(value: object, known: readonly string[], called: string): void {
  const unknown = Object.keys(value).find((key) => !known.includes(key));
  if (unknown !== undefined)
    throw new AccessFileError(`${called} has an unknown member; there are ${known.map((key) => `"${key}"`).join(', ')}`);
}

function firstTwice(texts: readonly string[]): string | undefined {
  const seen = new Set<string>();
  return texts.find((text) => seen.size === seen.add(text).size);
}

function isSubject(value: unknown): value is Subject {
  return isRecord(value) && Object.keys(value).length > 0 && Object.values(value).every((text) => typeof text === 'string' && text !== '');
}

function isNames(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((name) => typeof name === 'string' && name !== '');
}
