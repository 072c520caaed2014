import { execFileSync } from 'node:child_process';

/** `ip ARGS`, and what it prints. Throws when it fails. */
export const ip = (...args: readonly string[]): string => execFileSync('ip', args, { encoding: 'utf8', stdio: 'pipe' });

/** Why there cannot be network namespaces here; undefined where there can. */
export function obstacleToNamespaces(): string | undefined {
  if (process.getuid?.() !== 0) return 'needs root';
  const probe = `mserve-probe-${process.pid}`;
  try {
    ip('netns', 'add', probe);
    ip('netns', 'delete', probe);
    return undefined;
  } catch {
    return 'needs ip netns';
  }
}

/**
 * Makes two network namespaces with a link between them for each of `links`. On link i (from 1 on) the first host has the address NETWORK.i.1, the other one NETWORK.i.2. Who makes them deletes
 * them (`ip netns delete`).
 */
export function makeHosts(hosts: readonly [string, string], network: string, links: readonly string[]): void {
  for (const host of hosts) {
    ip('netns', 'add', host);
    ip('-n', host, 'link', 'set', 'lo', 'up');
  }
  for (const [index, link] of links.entries()) {
    ip('-n', hosts[0], 'link', 'add', link, 'type', 'veth', 'peer', 'name', link, 'netns', hosts[1]);
    for (const [number, host] of hosts.entries()) {
      ip('-n', host, 'address', 'add', `${network}.${index + 1}.${number + 1}/24`, 'dev', link);
      ip('-n', host, 'link', 'set', link, 'up');
    }
  }
}
