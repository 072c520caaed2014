import { useEffect, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';

/** One line of a chart. `color` is a custom property of the page's style. */
export interface Line {
  readonly label: string;
  readonly color: string;
  readonly values: readonly (number | null)[];
  readonly isFilled?: boolean;
}

interface ChartProps {
  readonly title: string;
  /** Seconds since 1970. */
  readonly times: readonly number[];
  readonly lines: readonly Line[];
  readonly format: (value: number | null | undefined) => string;
  /** Changes when the colours of the page do. */
  readonly theme: string;
}

const height = 190;

function optionsOf({ lines, format }: ChartProps, width: number, element: Element, onHover: (index: number | null) => void): uPlot.Options {
  const style = getComputedStyle(element);
  const color = (name: string): string => style.getPropertyValue(name).trim();
  const axis = {
    stroke: color('--muted'),
    font: '11px system-ui, sans-serif',
    grid: { stroke: color('--grid'), width: 1 },
    ticks: { show: false },
  };
  return {
    width,
    height,
    legend: { show: false },
    padding: [8, 8, 0, 0],
    cursor: { sync: { key: 'mserve' }, y: false, points: { size: 6 }, drag: { x: false, y: false } },
    scales: { y: { range: (_plot, _low, high) => [0, high > 0 ? high * 1.12 : 1] } },
    axes: [
      { ...axis, size: 26, space: 80, values: '{HH}:{mm}:{ss}' },
      { ...axis, size: 56, space: 34, values: (_plot, values) => values.map((value) => format(value)) },
    ],
    series: [
      {},
      ...lines.map(({ label, color: name, isFilled }) => ({
        label,
        stroke: color(name),
        width: 1.75,
        spanGaps: false,
        points: { show: false },
        ...(isFilled === true && { fill: `${color(name)}22` }),
      })),
    ],
    hooks: { setCursor: [(plot) => onHover(plot.cursor.idx ?? null)] },
  };
}

/** Lines over the time of the history. The values under the pointer, else the newest, stand in its legend. */
export function Chart(props: ChartProps) {
  const { title, times, lines, format, theme } = props;
  const holder = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  const [hovered, setHovered] = useState<number | null>(null);
  const labels = lines.map(({ label }) => label).join();
  useEffect(() => {
    const element = holder.current;
    if (element === null) return;
    const made = new uPlot(optionsOf(props, Math.max(element.clientWidth, 120), element, setHovered), dataOf(times, lines), element);
    plot.current = made;
    const observer = new ResizeObserver(() => made.setSize({ width: Math.max(element.clientWidth, 120), height }));
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.destroy();
    };
  }, [theme, labels]);
  useEffect(() => plot.current?.setData(dataOf(times, lines)), [times, lines]);
  const shown = hovered ?? times.length - 1;
  const valueOf = ({ values }: Line): string => format(values[shown]);
  const summary = lines.map((line) => `${line.label} ${format(line.values.at(-1))}`).join(', ');
  return (
    <figure class="card chart">
      <figcaption>
        <h3>{title}</h3>
        <ul class="legend">
          {lines.map((line) => (
            <li key={line.label}>
              <span class="key" style={{ background: `var(${line.color})` }} />
              {line.label} <b>{valueOf(line)}</b>
            </li>
          ))}
        </ul>
      </figcaption>
      <div class="plot" ref={holder} role="img" aria-label={`${title}, now: ${summary}`} />
    </figure>
  );
}

function dataOf(times: readonly number[], lines: readonly Line[]): uPlot.AlignedData {
  return [[...times], ...lines.map(({ values }) => [...values])];
}
