import { useMemo, useState } from 'preact/hooks';
import type { Rates, Sample, StateTick } from '@mserve/ops/state';
import { Chart, type Line } from './chart.js';
import { ago, duration, short } from '@mserve/ops/state';

interface OverviewProps {
  readonly samples: readonly Sample[];
  readonly tick: StateTick;
  readonly theme: string;
}

const none: Rates = { ok: 0, failed: 0, p50: null, p90: null, p99: null };

function Tile({ label, value, note, tone }: { label: string; value: string; note?: string; tone?: 'bad' | undefined }) {
  return (
    <div class={`tile${tone === undefined ? '' : ` ${tone}`}`}>
      <dt>{label}</dt>
      <dd>{value}</dd>
      {note !== undefined && <dd class="note">{note}</dd>}
    </div>
  );
}

/** Means over the last ten seconds: single ones jump. */
function recent(samples: readonly Sample[]): { ok: number; failed: number } {
  const last = samples.slice(-10);
  const mean = (pick: (sample: Sample) => number): number => last.reduce((sum, sample) => sum + pick(sample), 0) / Math.max(1, last.length);
  return { ok: mean(({ ok }) => ok), failed: mean(({ failed }) => failed) };
}

function Tiles({ samples, tick }: OverviewProps) {
  const { ok, failed } = recent(samples);
  const { sample } = tick;
  const timed = samples.findLast(({ p50 }) => p50 !== null);
  const batch = samples.findLast(({ batch: mean }) => mean !== null)?.batch;
  const failures = Object.values(tick.failuresByReason).reduce((sum, count) => sum + count, 0);
  return (
    <dl class="tiles">
      <Tile label="Requests" value={`${short(ok + failed)}/s`} note="mean of 10 s" />
      <Tile label="Latency p50" value={duration(timed?.p50)} note={timed === undefined ? 'no request yet' : ago(timed.at, tick.at)} />
      <Tile label="Latency p99" value={duration(timed?.p99)} note={timed === undefined ? 'no request yet' : ago(timed.at, tick.at)} />
      <Tile label="Failed" value={short(failures)} note="in 15 minutes" tone={failures > 0 ? 'bad' : undefined} />
      <Tile label="In hand" value={short(sample.inHand)} note="requests" />
      <Tile label="Queued" value={short(sample.queued)} note="instances" />
      <Tile label="Batch size" value={short(batch)} note="mean of the last" />
    </dl>
  );
}

function Charts({ samples, theme }: Pick<OverviewProps, 'samples' | 'theme'>) {
  const [method, setMethod] = useState('');
  const methods = useMemo(() => [...new Set(samples.flatMap((sample) => Object.keys(sample.methods)))].sort(), [samples]);
  const times = useMemo(() => samples.map(({ at }) => at / 1000), [samples]);
  const lines = useMemo(() => {
    const rates = samples.map((sample) => (method === '' ? sample : (sample.methods[method] ?? none)));
    const of = (label: string, color: string, pick: (rate: Rates) => number | null, isFilled = false): Line => ({
      label,
      color,
      values: rates.map(pick),
      isFilled,
    });
    const whole = (label: string, color: string, pick: (sample: Sample) => number | null): Line => ({
      label,
      color,
      values: samples.map(pick),
    });
    return {
      requests: [of('answered', '--blue', ({ ok }) => ok, true), of('failed', '--red', ({ failed }) => failed)],
      latency: [of('p50', '--blue', ({ p50 }) => p50), of('p90', '--green', ({ p90 }) => p90), of('p99', '--orange', ({ p99 }) => p99)],
      waiting: [
        whole('queued', '--orange', ({ queued }) => queued),
        whole('running', '--blue', ({ running }) => running),
        whole('in hand', '--violet', ({ inHand }) => inHand),
      ],
      batches: [whole('instances per batch', '--green', ({ batch }) => batch)],
    };
  }, [samples, method]);
  return (
    <>
      <p class="filter">
        <label>
          Requests and latency of{' '}
          <select value={method} onChange={(event) => setMethod(event.currentTarget.value)}>
            <option value="">all methods</option>
            {methods.map((key) => (
              <option key={key} value={key}>
                {key.replace(/^(.*)\/(\d+)\/(.*)$/, '$1.$3, version $2')}
              </option>
            ))}
          </select>
        </label>
      </p>
      <div class="charts">
        <Chart title="Requests per second" times={times} lines={lines.requests} format={short} theme={theme} />
        <Chart title="Latency" times={times} lines={lines.latency} format={duration} theme={theme} />
        <Chart title="Waiting and running" times={times} lines={lines.waiting} format={short} theme={theme} />
        <Chart title="Batch size" times={times} lines={lines.batches} format={short} theme={theme} />
      </div>
    </>
  );
}

/** Figures and charts of the last 15 minutes. */
export function Overview(props: OverviewProps) {
  return (
    <section id="overview" aria-labelledby="overview-title">
      <h2 id="overview-title">Overview</h2>
      <Tiles {...props} />
      <Charts samples={props.samples} theme={props.theme} />
    </section>
  );
}
