import 'reflect-metadata';
import { connectFleetBus, listenForTensors, untilEnd, type AppFacts, type AppOptions, type LiveSettings } from '@mserve/app';
import type { SettingsOf } from '@mserve/config';
import type { Tracer } from '@mserve/metrics';
import { openSharedMemory, openSharedRings } from '@mserve/native/shared-memory';
import { fleetStore, showBus, withOperations, type Operations } from '@mserve/ops';
import { withTracing, type Environment } from '@mserve/tracing';
import type { Logger } from 'pino';
import { workerOptionsOf } from './config/options-of-settings.js';
import { ServableConfigError } from './servable/servable-config-error.js';
import { checkServableNames, listServables } from './servable/servable-directory.js';
import { launchDeviceWorker, type RunningWorker } from './start-device-worker.js';

const lastAnswersMs = 5_000;

/** What a worker tells of itself to the process that started it. */
function factsOf({ address, replicas }: RunningWorker, hasLoaded: boolean): AppFacts {
  return {
    address,
    settled: hasLoaded && replicas.every(({ state }) => state !== 'loading'),
    replicas: replicas.map(({ servable, version, state, error, signature }) => ({
      servable,
      version,
      state,
      error,
      methods: (signature?.methods ?? []).map(({ name }) => name),
    })),
  };
}

/** Who is told what this process does. */
interface Observers {
  readonly operations: Operations;
  readonly tracer: Tracer | undefined;
}

/** Works until asked to end; resolves with the exit code: 1 when work in hand had to be given up, when a device is lost, or when the bus is gone for good. */
async function work(
  settings: SettingsOf<'device-worker'>,
  log: Logger,
  asked: AbortSignal,
  live: LiveSettings<SettingsOf<'device-worker'>>,
  { operations, tracer }: Observers,
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
  const server = await listenForTensors(settings.tensorAddress);
  const rings = openSharedRings(settings.sharedRings && settings.sharedMemoryMb > 0, (text) => log.warn(text));
  const bus = await connectFleetBus(settings, 'worker', log, asked, { live, rings });
  showBus(operations.metrics, 'worker', bus);
  try {
    let onDeviceLost = (): void => undefined;
    const lost = new Promise<'device lost'>((resolve) => (onDeviceLost = () => resolve('device lost')));
    const memory = openSharedMemory(settings.sharedMemoryMb, (text) => log.warn(text));
    const { sharedMemoryFromBytes: fromBytes } = settings;
    const store = fleetStore(bus, 'worker', { memory, server, fromBytes, log, metrics: operations.metrics });
    const worker = await launchDeviceWorker(bus, store, {
      ...options,
      log,
      onDeviceLost,
      metrics: operations.metrics,
      tracer,
    });
    operations.isReady = () => bus.state === 'up' && worker.replicas.some(({ state }) => state === 'ready');
    let hasLoaded = false;
    void worker.loaded.then(() => (hasLoaded = true));
    operations.facts = () => factsOf(worker, hasLoaded);
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
    server?.close();
  }
}

/** What the process of a device-worker consists of: `main.ts`, and `mserve app device-worker`. `env`: its OTEL_ variables say whether it is traced. */
export function deviceWorkerApp(env: Environment): AppOptions<'device-worker'> {
  return {
    name: 'device-worker',
    isExpected: (error) => error instanceof ServableConfigError,
    work: (settings, log, asked, live) =>
      withOperations(settings, log, live, (operations) =>
        withTracing(env, 'device-worker', log, (tracer) => work(settings, log, asked, live, { operations, tracer })),
      ),
  };
}
