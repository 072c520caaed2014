import { writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { authorizationOf, newNkey, type FleetRole, type FleetUser } from '@mserve/bus';
import { CliError } from '../cli-error.js';
import { makeDirectory } from '../make-directory.js';

/** How many processes of each kind the fleet has. */
export interface FleetSize {
  readonly gateways: number;
  readonly admins: number;
  readonly schedulers: number;
  readonly workers: number;
}

/** What was written for a fleet, all with mode 0600. */
export interface WrittenCredentials {
  /** For the configuration of the nats-server: `include "..."`, with the path from the folder of that configuration on. */
  readonly authorization: string;
  readonly processes: readonly { readonly name: string; readonly role: FleetRole; readonly nkey: string; readonly config: string }[];
}

/** A process that gets a login. */
export interface FleetMember {
  readonly role: FleetRole;
  readonly name: string;
}

/** The processes of a fleet of this size, and an operator. */
export function membersOf(size: FleetSize): FleetMember[] {
  const many = (role: FleetRole, count: number): FleetMember[] =>
    Array.from({ length: count }, (_, i) => ({ role, name: `${role}-${i + 1}` }));
  return [
    ...many('gateway', size.gateways),
    ...many('admin', size.admins),
    ...many('scheduler', size.schedulers),
    ...many('worker', size.workers),
    { role: 'operator', name: 'operator' },
  ];
}

/**
 * Makes an nkey for each member, and writes to `directory`: the seeds (NAME.nk), a config file per process (NAME.yaml) with its name
 * and its seed, and the users of the nats-server with their permissions (authorization.conf). Nothing is written over: CliError for a file that is there.
 */
export function writeBusCredentials(directory: string, members: readonly FleetMember[], prefix: string): WrittenCredentials {
  const folder = resolve(directory);
  const write = (name: string, text: string): string => {
    const path = join(folder, name);
    try {
      writeFileSync(path, text, { mode: 0o600, flag: 'wx' });
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      throw new CliError(code === 'EEXIST' ? `${path} is there already: credentials are never written over` : message, 1);
    }
    return path;
  };
  makeDirectory(folder);
  const users: FleetUser[] = [];
  const processes = members.map(({ role, name }) => {
    const { seed, publicKey } = newNkey();
    users.push({ role, name, publicKey });
    const nkey = write(`${name}.nk`, `${seed}\n`);
    const config = write(`${name}.yaml`, `busName: ${name}\nnatsNkey: ${JSON.stringify(nkey)}\nsubjectPrefix: ${prefix}\n`);
    return { name, role, nkey, config };
  });
  return { authorization: write('authorization.conf', authorizationOf(users, prefix)), processes };
}

/** For people. */
export function credentialsText({ authorization, processes }: WrittenCredentials): string {
  return [
    `wrote ${authorization}: put  include "${basename(authorization)}"  into a configuration of nats-server in the same folder`,
    ...processes.map(({ name, config }) => `  ${name.padEnd(12)} --config ${config}`),
  ].join('\n');
}
