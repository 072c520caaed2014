import 'reflect-metadata';
import { connectFleetBus, runApp, untilEnd, type LiveSettings } from '@mserve/app';
import { BusTensorStore } from '@mserve/bus';
import type { SettingsOf } from '@mserve/config';
import type { Logger } from 'pino';
import { gatewayOptionsOf } from './config/options-of-settings.js';
import { liveGatewayKeys } from './gateway-options.js';
import { startGateway } from './start-gateway.js';

/** Serves until asked to end; resolves with the exit code: 1 when requests had to be cut off, or when the bus is gone for good. */
async function serve(
  settings: SettingsOf<'gateway'>,
  log: Logger,
  asked: AbortSignal,
  live: LiveSettings<SettingsOf<'gateway'>>,
): Promise<number> {
  // Before the bus: files that cannot be read are reported at once, also when there is no bus yet.
  const options = gatewayOptionsOf(settings);
  const bus = await connectFleetBus(settings, 'gateway', log, asked, live);
  try {
    const { gateway, close } = await startGateway(bus, new BusTensorStore(bus), { ...options, log });
    live.take(liveGatewayKeys, (taken) => gateway.limitRequests(taken));
    live.onReload(() => void gateway.reloadCertificates());
    if (gateway.restAddress !== undefined) log.info(`Serving: Serving RESTful server start success, listening on ${gateway.restAddress}`);
    if (gateway.grpcAddress !== undefined) log.info(`Serving: Serving gRPC server start success, listening on ${gateway.grpcAddress}`);
    if (gateway.adminAddress !== undefined) log.info(`the admin port is open, listening on ${gateway.adminAddress}`);
    const reason = await untilEnd(bus, log, asked);
    const cut = await close(reason === 'asked' ? settings.graceMs : 0);
    if (cut > 0) log.error(`${cut} requests were cut off after ${settings.graceMs} ms`);
    return reason === 'asked' && cut === 0 ? 0 : 1;
  } finally {
    await bus.close();
  }
}

process.exit(await runApp(process, { name: 'gateway', work: serve }));
