import { createServer } from 'node:net';

/** Below the ports that systems give to outgoing connections (Linux: 32768 and up): no client can take one that a server is to have. */
const lowest = 20_000;
const highest = 32_000;

function canListen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

/** A port of the loopback interface on which nobody listens: drawn, so that specs that run at the same time do not ask for the same one. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = lowest + Math.floor(Math.random() * (highest - lowest));
    if (await canListen(port)) return port;
  }
}
