import { lastingPortAt } from '../../apps/server/src/fleet/lasting-port.js';

/** A port of the loopback interface on which nobody listens, and that no client takes before a server listens there. */
export async function freePort(): Promise<number> {
  const port = await lastingPortAt('127.0.0.1');
  if (port === undefined) throw new Error('no port of 127.0.0.1 is free');
  return port;
}
