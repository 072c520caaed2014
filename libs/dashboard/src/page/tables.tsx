import type { ComponentChildren } from 'preact';
import type { ProcessView, ReplicaView, StateTick } from '@mserve/ops/state';
import { age, ago, bytes, trimmed } from '@mserve/ops/state';

/** A word with a colour that says how good it is. */
export function Badge({ state }: { readonly state: string }) {
  const tone = ['ready', 'up', 'loaded'].includes(state)
    ? 'good'
    : ['failed', 'gone', 'unavailable', 'down', 'closed'].includes(state)
      ? 'bad'
      : ['unloaded'].includes(state)
        ? 'plain'
        : 'warn';
  return <span class={`badge ${tone}`}>{state}</span>;
}

/** A table that scrolls in itself where the page is narrow. */
export function Table({
  label,
  head,
  children,
}: {
  readonly label: string;
  readonly head: readonly string[];
  readonly children: ComponentChildren;
}) {
  return (
    <div class="scroll card" tabIndex={0} role="region" aria-label={label}>
      <table>
        <thead>
          <tr>
            {head.map((text) => (
              <th key={text} scope="col">
                {text}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </div>
  );
}

function InHand({ credits, inHand }: Pick<ReplicaView, 'credits' | 'inHand'>) {
  const share = credits === 0 ? 0 : Math.min(1, inHand / credits);
  return (
    <div class="inhand">
      <span class="track" aria-hidden="true">
        <span class="fill" style={{ width: `${share * 100}%` }} />
      </span>
      <span>
        {inHand} of {credits}
      </span>
    </div>
  );
}

/** Each replica with its device, and how full it is. */
export function Replicas({ tick }: { readonly tick: StateTick }) {
  return (
    <section id="replicas" aria-labelledby="replicas-title">
      <h2 id="replicas-title">Replicas</h2>
      {tick.queues.length > 0 && (
        <p class="queues">
          Queued:{' '}
          {tick.queues.map(({ servable, version, method, instances }) => (
            <span key={`${servable}/${version}/${method}`} class="chip">
              {servable}.{method} <b>{instances}</b>
            </span>
          ))}
        </p>
      )}
      <Table label="replicas" head={['Servable', 'Version', 'State', 'In hand of credits', 'Device', 'Worker']}>
        {tick.replicas.map((replica) => (
          <tr key={replica.replica}>
            <th scope="row">{replica.servable}</th>
            <td>{replica.version === 0 ? '–' : replica.version}</td>
            <td>
              <Badge state={replica.state} />
              {replica.error !== undefined && <div class="problem">{replica.error}</div>}
            </td>
            <td>
              <InHand {...replica} />
            </td>
            <td>{replica.deviceId}</td>
            <td class="mono">{replica.worker}</td>
          </tr>
        ))}
        {tick.replicas.length === 0 && (
          <tr>
            <td colSpan={6}>No worker has a replica.</td>
          </tr>
        )}
      </Table>
    </section>
  );
}

/** Participants that are one process, which all of an embedded server are. */
function byProcess(processes: readonly ProcessView[]): readonly ProcessView[][] {
  const groups = new Map<string, ProcessView[]>();
  for (const one of processes) {
    const key = one.report === undefined ? one.address : `${one.report.host}:${one.report.pid}`;
    groups.set(key, [...(groups.get(key) ?? []), one]);
  }
  return [...groups.values()];
}

function ProcessRow({ group, at }: { readonly group: readonly ProcessView[]; readonly at: number }) {
  const [first] = group;
  if (first === undefined) return null;
  const { report } = first;
  const problem = group.find((one) => one.problem !== undefined)?.problem;
  return (
    <tr>
      <th scope="row">
        {group.map(({ role, holds }) => (holds === undefined ? role : `${role} of ${holds}`)).join(', ')}
        <div class="mono">{group.length === 1 ? first.address : 'one process'}</div>
      </th>
      {report === undefined ? (
        <td colSpan={6} class="problem">
          {problem ?? 'has not said anything yet'}
        </td>
      ) : (
        <>
          <td>
            {report.host}
            <div class="note">pid {report.pid}</div>
          </td>
          <td>
            {bytes(report.residentBytes)}
            <div class="note">{bytes(report.heapUsedBytes)} heap</div>
          </td>
          <td>{trimmed(report.cpuCores)} cores</td>
          <td>
            {trimmed(report.loopDelayMs.p99)} ms
            <div class="note">max {trimmed(report.loopDelayMs.max)} ms</div>
          </td>
          <td>{Math.round(report.loopBusy * 100)} %</td>
          <td>
            {age(report.startedAt, at)}
            <div class="note">{problem ?? `Node ${report.node.replace('v', '')}`}</div>
          </td>
        </>
      )}
    </tr>
  );
}

/** Every process with its memory and its event loop, and the bus. */
export function Processes({ tick }: { readonly tick: StateTick }) {
  return (
    <section id="processes" aria-labelledby="processes-title">
      <h2 id="processes-title">Processes</h2>
      <p class="bus">
        Bus: {tick.bus.kind === 'nats' ? 'NATS' : 'in this process'} <Badge state={tick.bus.state} />
      </p>
      <Table label="processes" head={['Role', 'Host', 'Memory', 'CPU', 'Event-loop delay p99', 'Loop busy', 'Up for']}>
        {byProcess(tick.processes).map((group) => (
          <ProcessRow key={group[0]?.address} group={group} at={tick.at} />
        ))}
      </Table>
    </section>
  );
}

/** Why requests failed, and the last that did. */
export function Failures({ tick }: { readonly tick: StateTick }) {
  const reasons = Object.entries(tick.failuresByReason).sort((a, b) => b[1] - a[1]);
  const most = reasons[0]?.[1] ?? 1;
  return (
    <section id="failures" aria-labelledby="failures-title">
      <h2 id="failures-title">Failures</h2>
      {reasons.length === 0 ? (
        <p class="card empty">No request failed in the last 15 minutes.</p>
      ) : (
        <>
          <ul class="bars card" aria-label="failed requests of the last 15 minutes by reason">
            {reasons.map(([reason, count]) => (
              <li key={reason}>
                <span class="name">{reason}</span>
                <span class="track" aria-hidden="true">
                  <span class="fill bad" style={{ width: `${(count / most) * 100}%` }} />
                </span>
                <b>{count}</b>
              </li>
            ))}
          </ul>
          <Table label="last failures" head={['When', 'Method', 'Reason', 'Text', 'Request id', 'Trace id']}>
            {tick.failures.map((failure) => (
              <tr key={`${failure.requestId} ${failure.at}`}>
                <td>
                  <time dateTime={new Date(failure.at).toISOString()}>{ago(failure.at, tick.at)}</time>
                </td>
                <td>
                  {failure.servable === undefined ? '–' : `${failure.servable}.${failure.method}`}
                  <div class="note">{failure.protocol}</div>
                </td>
                <td>
                  {failure.reason ?? failure.code}
                  <div class="note">{failure.code}</div>
                </td>
                <td class="text">{failure.text}</td>
                <td class="mono">{failure.requestId}</td>
                <td class="mono">{failure.traceId ?? '–'}</td>
              </tr>
            ))}
          </Table>
        </>
      )}
    </section>
  );
}
