import 'reflect-metadata';
import { connectFleetBus, untilEnd, type AppOptions } from '@mserve/app';
import { LinkBus, linkAddressOf, type ControlBus } from '@mserve/bus';
import type { SettingsOf } from '@mserve/config';
import { withOperations, type Operations } from '@mserve/ops';
import { loadRank } from '@mserve/native';
import type { Logger } from 'pino';
import { agentOptionsOf } from './config/options-of-settings.js';
import { startAgent } from './start-agent.js';

/** A process that started this one as its agent hears that it is alive: it ends one that is not, and starts another. */
const aliveMs = 500;

/** Works until asked to end; resolves with the exit code: 1 when the bus is gone for good. */
async function work(settings: SettingsOf<'agent'>, log: Logger, asked: AbortSignal, operations: Operations): Promise<number> {
  const options = agentOptionsOf(settings);
  const alive = process.send === undefined ? undefined : setInterval(sayAlive, aliveMs);
  const bus = await connected(settings, log, asked);
  try {
    const agent = await startAgent(bus, { ...options, loadRank, log });
    operations.isReady = () => bus.state === 'up';
    const reason = await untilEnd(bus, log, asked);
    await agent.close();
    return reason === 'bus closed' ? 1 : 0;
  } finally {
    clearInterval(alive);
    await bus.close();
  }
}

/** The channel may end meanwhile, which is heard of otherwise. */
function sayAlive(): void {
  if (process.connected) process.send?.('alive', undefined, undefined, () => undefined);
}

async function connected(settings: SettingsOf<'agent'>, log: Logger, asked: AbortSignal): Promise<ControlBus> {
  if (settings.distributedAddress === undefined) return connectFleetBus(settings, 'agent', log, asked);
  const bus = new LinkBus(linkAddressOf(settings.distributedAddress));
  bus.onState((state) => {
    if (state === 'down') log.warn('the link to the server is lost and being restored');
  });
  return bus;
}

/** The agent as a program. */
export function agentApp(): AppOptions<'agent'> {
  return {
    name: 'agent',
    work: (settings, log, asked, live) => withOperations(settings, log, live, (operations) => work(settings, log, asked, operations)),
  };
}
