import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/** Ports that no system gives out by itself: outgoing connections have those from 32768 (Linux) or 49152 on, and may get one before its process listens. */
const lowestPort = 20_000;
const highestPort = 32_767;
/** Of such ports, so many are tried. */
const mostTries = 50;

/** Resolves with the port that a listener at the address gets (0: any), or undefined when it cannot be had. */
export function portAt(host: string, port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen({ host, port }, () => {
      const bound = server.address();
      server.close(() => resolve(typeof bound === 'object' && bound !== null ? bound.port : undefined));
    });
  });
}

/**
 * Resolves with a free port that no outgoing connection gets before somebody listens there, drawn, so that those who ask at the same time hardly get the same one.
 * Where none of these is free: as {@link portAt} of 0.
 */
export async function lastingPortAt(host: string): Promise<number | undefined> {
  for (let n = 0; n < mostTries; n++) {
    const port = await portAt(host, randomInt(lowestPort, highestPort + 1));
    if (port !== undefined) return port;
  }
  return portAt(host, 0);
}
