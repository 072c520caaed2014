import type { Socket } from 'node:net';
import type { AppLog } from '@mserve/app';
import { LinkHub, type Bus, type LinkAddress } from '@mserve/bus';
import type { OriginalAgents } from './original/original-agents.js';

/** What agents may do on the bus of a server that takes them over links. */
const agentRights = { respond: ['agent.'], request: ['distributed.'], broadcast: ['agents.'] };

/** Where a server takes agents, until it is closed: its own over links, and those of MindSpore Serving over gRPC. */
export interface AgentsPort {
  close(): Promise<void>;
}

/** Listens at the distributed address, or at the socket of the agents of this machine. Rejects when the address cannot be had. */
export async function listenForAgents(link: LinkAddress, join: (role: string) => Bus, log: AppLog): Promise<AgentsPort> {
  let originals: Promise<OriginalAgents> | undefined;
  const address = 'host' in link ? `${link.host}:${link.port}` : link.path;
  const load = async (): Promise<OriginalAgents> => {
    const { OriginalAgents: Agents } = await import('./original/original-agents.js');
    return new Agents({ join: () => join('agent'), address, log });
  };
  const onHttp2 = (socket: Socket): void => {
    originals ??= load();
    originals.then(
      (agents) => agents.take(socket),
      (thrown: unknown) => {
        log.error({ err: thrown }, 'agents of MindSpore Serving cannot be served');
        socket.destroy();
      },
    );
  };
  const hub = await LinkHub.listen(link, () => join('agent'), agentRights, 'host' in link ? onHttp2 : undefined);
  return {
    close: async () => {
      await originals?.then(
        (agents) => agents.close(),
        () => undefined,
      );
      await hub.close();
    },
  };
}
