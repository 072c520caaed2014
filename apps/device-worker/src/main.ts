import 'reflect-metadata';
import { connectFleetBus, runApp, untilEnd, type LiveSettings } from '@mserve/app';
import { BusTensorStore } from '@mserve/bus';
import type { SettingsOf } from '@mserve/config';
import type { Logger } from 'pino';
import { workerOptionsOf } from './config/options-of-settings.js';
import { ServableConfigError } from './servable/servable-config-error.js';
import { checkServableNames, listServables } from './servable/servable-directory.js';
import { launchDeviceWorker } from './start-device-worker.js';

const lastAnswersMs = 5_000;

/** Works until asked to end; resolves with the exit code: 1 when work in hand had to be given up, when a device is lost, or when the bus is gone for good. */
async function work(
  settings: SettingsOf<'device-worker'>,
  log: Logger,
  asked: AbortSignal,
  live: LiveSettings<SettingsOf<'device-worker'>>,
): Promise<number> {
  const options = workerOptionsOf(settings);
  // Before the bus: a wrong directory is reported at once, also when there is no bus yet.
  if (options.servables !== undefined)
    checkServableNames(
      options.directory,
      options.servables.map(({ name }) => name),
    );
  if ((options.servables ?? listServables(options.directory)).length === 0)
    log.warn(`there is no servable in ${options.directory}: a folder NAME with a servable_config.ts is expected`);
  const bus = await connectFleetBus(settings, 'worker', log, asked, live);
  try {
    let onDeviceLost = (): void => undefined;
    const lost = new Promise<'device lost'>((resolve) => (onDeviceLost = () => resolve('device lost')));
    const worker = await launchDeviceWorker(bus, new BusTensorStore(bus), { ...options, log, onDeviceLost });
    log.info({ address: worker.address }, 'on the bus');
    const reason = await Promise.race([untilEnd(bus, log, asked), lost]);
    if (reason === 'device lost') {
      log.error('a device ended its work: this process ends without answers, others take over what it had in hand');
      return 1;
    }
    const unfinished = await worker.close(reason === 'asked' ? settings.graceMs : 0);
    if (unfinished > 0) log.error({ unfinished }, 'work in hand was given up');
    // The last answers have to get to their gateways before the connection ends.
    await bus.drain(lastAnswersMs);
    return reason === 'asked' && unfinished === 0 ? 0 : 1;
  } finally {
    await bus.close();
  }
}

process.exit(await runApp(process, { name: 'device-worker', isExpected: (error) => error instanceof ServableConfigError, work }));
