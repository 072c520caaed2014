import { InvalidArgumentError } from 'commander';

/** `host:port` or `[ipv6]:port`. */
function isHostAndPort(text: string): boolean {
  const match = /^(?:\[[0-9a-fA-F:.]+\]|[^\s:/@[\]]+):(\d{1,5})$/.exec(text);
  return match !== null && Number(match[1]) <= 65_535;
}

export function hostAndPort(text: string): string {
  if (!isHostAndPort(text)) throw new InvalidArgumentError('HOST:PORT is expected, for example 127.0.0.1:1500.');
  return text;
}

export function grpcAddress(text: string): string {
  if (!isHostAndPort(text) && !/^unix:./.test(text))
    throw new InvalidArgumentError('HOST:PORT or unix:PATH is expected, for example 127.0.0.1:5500.');
  return text;
}

/** `memory`, or addresses of NATS servers with commas between them. */
export function busAddress(text: string): string {
  if (text !== 'memory' && !text.split(',').every((server) => /^nats:\/\/[^\s/@]+$/.test(server))) {
    throw new InvalidArgumentError('memory or nats://HOST:PORT is expected.');
  }
  return text;
}
