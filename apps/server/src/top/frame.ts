import { age, ago, bytes, duration, short, trimmed, type Rates, type Sample, type State } from '@mserve/ops/state';

/** What a frame is drawn for. */
export interface FrameOptions {
  /** Where the state comes from, `host:port`. */
  readonly address: string;
  readonly columns: number;
  /** Infinity: everything is shown. */
  readonly rows: number;
  /** Whether colours and bold are written. */
  readonly isColored: boolean;
  /** Whether events come in now. */
  readonly isConnected: boolean;
}

/** Seconds that the line of requests shows. */
const shownSeconds = 60;
const bars = '▁▂▃▄▅▆▇█';
const none: Rates = { ok: 0, failed: 0, p50: null, p90: null, p99: null };

type Paint = 'bold' | 'dim' | 'red' | 'green' | 'yellow';
const codes: Readonly<Record<Paint, string>> = { bold: '1', dim: '2', red: '31', green: '32', yellow: '33' };

/** A table of a frame; its first column takes what is left of the width. */
interface Section {
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** Which rows are drawn in red. */
  readonly isBad?: (row: number) => boolean;
  /** The last column is text: it is cut, and the first takes what it needs. */
  readonly endsInText?: boolean;
}

/** Texts of clients and of other processes: no control character gets to the terminal. */
function plain(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, '·');
}

function cut(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}…`;
}

/** The state of a fleet as lines of text, none longer than the columns, no more than the rows. */
export function frameOf(state: State, options: FrameOptions): string[] {
  const { columns, rows, isColored } = options;
  const paint = (text: string, how: Paint): string => (isColored ? `\u001b[${codes[how]}m${text}\u001b[0m` : text);
  const lines = headOf(state, options, paint);
  const sections = [methodsOf(state), replicasOf(state), processesOf(state), failuresOf(state)].filter((one) => one.rows.length > 0);
  let left = rows - lines.length;
  for (const [i, section] of sections.entries()) {
    // Each has its head and an empty line before; what the later ones need at least is theirs
    const reserved = (sections.length - 1 - i) * 3;
    const room = Math.min(section.rows.length, left - 2 - reserved);
    if (room < 1) continue;
    const drawn = drawSection(section, room, columns, paint);
    lines.push('', ...drawn);
    left -= drawn.length + 1;
  }
  return lines.slice(0, rows);
}

function headOf(state: State, { address, columns, isConnected }: FrameOptions, paint: (text: string, how: Paint) => string): string[] {
  const { sample, ready, bus, version, at } = state;
  const last = state.history.samples.slice(-10);
  const mean = (pick: (one: Sample) => number): number => last.reduce((sum, one) => sum + pick(one), 0) / Math.max(1, last.length);
  const timed = state.history.samples.findLast(({ p50 }) => p50 !== null) ?? sample;
  const status: readonly [string, Paint] = !isConnected ? ['no connection', 'red'] : ready ? ['ready', 'green'] : ['not ready', 'yellow'];
  const busText = bus.kind === 'nats' ? `bus NATS ${bus.state}` : 'one process';
  const figures = [
    `requests ${short(mean(({ ok, failed }) => ok + failed))}/s`,
    `failed ${short(mean(({ failed }) => failed))}/s`,
    `p50 ${duration(timed.p50)}`,
    `p90 ${duration(timed.p90)}`,
    `p99 ${duration(timed.p99)}`,
    `in hand ${sample.inHand}`,
    `queued ${sample.queued}`,
    `running ${sample.running}`,
    `batch ${short(state.history.samples.findLast(({ batch }) => batch !== null)?.batch)}`,
  ];
  const seconds = state.history.samples.slice(-Math.max(1, Math.min(shownSeconds, columns - 14)));
  const time = new Date(at).toISOString().slice(11, 19);
  return [
    fitting([['mserve', 'bold'], status, [plain(version)], [busText], [address], [`${time} UTC`]], columns, paint),
    ...wrapped(figures, columns),
    cut(`requests/s  ${spark(seconds.map(({ ok, failed }) => ok + failed))}`, columns),
    cut(`p99         ${spark(seconds.map(({ p99 }) => p99 ?? 0))}`, columns),
  ];
}

/** As many of the parts, from the first on, as there is room for. */
function fitting(
  parts: readonly (readonly [text: string, how?: Paint])[],
  columns: number,
  paint: (text: string, how: Paint) => string,
): string {
  let width = 0;
  const shown: string[] = [];
  for (const [text, how] of parts) {
    width += text.length + (shown.length > 0 ? 2 : 0);
    if (width > columns) break;
    shown.push(how === undefined ? text : paint(text, how));
  }
  return shown.join('  ');
}

/** Parts side by side, in as many lines as it takes. */
function wrapped(parts: readonly string[], columns: number): string[] {
  const lines: string[] = [];
  for (const part of parts) {
    const last = lines.at(-1);
    if (last === undefined || last.length + 2 + part.length > columns) lines.push(cut(part, columns));
    else lines[lines.length - 1] = `${last}  ${part}`;
  }
  return lines;
}

/** Bars from 0 to the largest value. */
export function spark(values: readonly number[]): string {
  const largest = Math.max(...values, 0);
  return values
    .map((value) => (value <= 0 || largest === 0 ? ' ' : (bars[Math.min(7, Math.floor((value / largest) * 8))] ?? ' ')))
    .join('');
}

function methodsOf({ servables, history, sample }: State): Section {
  const last = history.samples.slice(-10);
  const rows = servables.flatMap(({ servable, version, state, readyReplicas, methods }) => {
    if (methods.length === 0) return [[plain(servable), version === 0 ? '' : `${version}`, state, '', '', '', '', '']];
    return methods.map(({ name }) => {
      const key = `${servable}/${version}/${name}`;
      const now = sample.methods[key] ?? history.samples.findLast(({ methods: of }) => of[key] !== undefined)?.methods[key] ?? none;
      const mean = (pick: (rates: Rates) => number): number =>
        last.reduce((sum, { methods: of }) => sum + pick(of[key] ?? none), 0) / Math.max(1, last.length);
      return [
        plain(`${servable}.${name}`),
        `${version}`,
        state,
        `${readyReplicas}`,
        short(mean(({ ok }) => ok)),
        short(mean(({ failed }) => failed)),
        duration(now.p50),
        duration(now.p99),
      ];
    });
  });
  return { head: ['METHOD', 'VERSION', 'STATE', 'REPLICAS', 'OK/S', 'FAILED/S', 'P50', 'P99'], rows };
}

function replicasOf({ replicas }: State): Section {
  const rows = replicas.map((one) => [
    plain(one.servable),
    one.version === 0 ? '' : `${one.version}`,
    one.state,
    `${one.inHand} of ${one.credits}`,
    `${one.deviceId}`,
    plain(one.worker),
  ]);
  return {
    head: ['REPLICA', 'VERSION', 'STATE', 'IN HAND', 'DEVICE', 'WORKER'],
    rows,
    isBad: (row) => ['failed', 'suspended', 'set aside'].includes(replicas[row]?.state ?? ''),
  };
}

function processesOf({ processes, at }: State): Section {
  const groups = new Map<string, { roles: string[]; view: (typeof processes)[number] }>();
  for (const view of processes) {
    const key = view.report === undefined ? view.address : `${view.report.host}:${view.report.pid}`;
    const known = groups.get(key);
    const role = view.holds === undefined ? view.role : `${view.role} of ${plain(view.holds)}`;
    if (known === undefined) groups.set(key, { roles: [role], view });
    else known.roles.push(role);
  }
  const rows = [...groups.values()].map(({ roles, view: { report, problem, address } }) =>
    report === undefined
      ? [`${roles.join(', ')} ${plain(address)}`, plain(problem ?? 'silent').slice(0, 30), '', '', '', '', '', '']
      : [
          roles.join(', '),
          plain(report.host),
          `${report.pid}`,
          bytes(report.residentBytes),
          trimmed(report.cpuCores),
          `${trimmed(report.loopDelayMs.p99)} ms`,
          `${Math.round(report.loopBusy * 100)} %`,
          age(report.startedAt, at),
        ],
  );
  return { head: ['PROCESS', 'HOST', 'PID', 'MEMORY', 'CORES', 'LOOP P99', 'LOOP BUSY', 'UP'], rows };
}

function failuresOf({ failures, at }: State): Section {
  const rows = failures.map((one) => [
    ago(one.at, at),
    one.servable === undefined ? '-' : plain(`${one.servable}.${one.method ?? ''}`),
    plain(one.reason ?? one.code),
    plain(one.requestId),
    plain(one.text),
  ]);
  return { head: ['FAILED', 'METHOD', 'REASON', 'REQUEST', 'TEXT'], rows, endsInText: true };
}

function drawSection(section: Section, room: number, columns: number, paint: (text: string, how: Paint) => string): string[] {
  const { head, rows, isBad, endsInText } = section;
  const shown = rows.length > room ? rows.slice(0, room - 1) : rows;
  const widths = head.map((title, i) => Math.max(title.length, ...shown.map((row) => row[i]?.length ?? 0)));
  const others = widths.slice(1).reduce((sum, width) => sum + width + 2, 0);
  if (endsInText !== true) widths[0] = Math.max(8, Math.min(widths[0] ?? 0, columns - others));
  const lineOf = (cells: readonly string[]): string =>
    cut(
      cells
        .map((cell, i) => cut(cell, widths[i] ?? 0).padEnd(widths[i] ?? 0))
        .join('  ')
        .trimEnd(),
      columns,
    );
  const drawn = [paint(lineOf(head), 'dim'), ...shown.map((row, i) => (isBad?.(i) === true ? paint(lineOf(row), 'red') : lineOf(row)))];
  if (shown.length < rows.length) drawn.push(paint(`… ${rows.length - shown.length} more`, 'dim'));
  return drawn;
}
