import type { MethodSignature, StageGraph as Graph, StageSource } from '@mserve/wire';
import { shapeText } from './shape-text.js';

interface Node {
  readonly id: string;
  readonly kind: 'input' | 'output' | 'function' | 'model';
  readonly title: string;
  readonly note: string;
  readonly column: number;
  readonly sources: readonly string[];
}

const width = 118;
const height = 44;
const gapX = 26;
const gapY = 14;
const margin = 4;
/** Drawn smaller than this, texts cannot be read: then it scrolls. */
const leastScale = 0.82;

function idOf(source: StageSource, inputs: readonly { readonly name: string }[]): string {
  return source.from === 'input' ? `in:${inputs[source.index]?.name ?? source.index}` : `stage:${source.stage}`;
}

/** Inputs on the left, each stage right of all that it takes values from, outputs on the right. */
function nodesOf({ inputs, outputs }: MethodSignature, graph: Graph): Node[] {
  const nodes: Node[] = inputs.map(({ name, dtype, shape }) => ({
    id: `in:${name}`,
    kind: 'input',
    title: name,
    note: `${dtype ?? 'any type'} ${shapeText(shape)}`,
    column: 0,
    sources: [],
  }));
  const columns = new Map(nodes.map(({ id, column }) => [id, column]));
  const after = (sources: readonly string[]): number => 1 + Math.max(0, ...sources.map((id) => columns.get(id) ?? 0));
  for (const { number, kind, name, inputs: from } of graph.stages) {
    const sources = [...new Set(from.map((source) => idOf(source, inputs)))];
    const id = `stage:${number}`;
    columns.set(id, after(sources));
    nodes.push({ id, kind, title: name, note: kind, column: after(sources), sources });
  }
  const last = 1 + Math.max(0, ...nodes.map(({ column }) => column));
  for (const [i, { name, dtype, shape }] of outputs.entries()) {
    const source = graph.returns[i];
    nodes.push({
      id: `out:${name}`,
      kind: 'output',
      title: name,
      note: `${dtype ?? 'any type'} ${shapeText(shape)}`,
      column: last,
      sources: source === undefined ? [] : [idOf(source, inputs)],
    });
  }
  return nodes;
}

function cut(text: string): string {
  return text.length <= 17 ? text : `${text.slice(0, 16)}…`;
}

/** The stages of a method, from its inputs to its outputs. */
export function StageGraph({ method, name }: { readonly method: MethodSignature; readonly name: string }) {
  const { graph } = method;
  if (graph === undefined) return null;
  const nodes = nodesOf(method, graph);
  const columns = Math.max(...nodes.map(({ column }) => column)) + 1;
  const columnOf = (column: number): Node[] => nodes.filter((node) => node.column === column);
  const rows = Math.max(...Array.from({ length: columns }, (_, i) => columnOf(i).length));
  const fullWidth = columns * (width + gapX) - gapX + 2 * margin;
  const fullHeight = rows * (height + gapY) - gapY + 2 * margin;
  const places = new Map<string, { x: number; y: number }>();
  for (let column = 0; column < columns; column++) {
    const here = columnOf(column);
    const top = (fullHeight - here.length * (height + gapY) + gapY) / 2;
    for (const [i, { id }] of here.entries()) places.set(id, { x: margin + column * (width + gapX), y: top + i * (height + gapY) });
  }
  const text = nodes.filter(({ kind }) => kind === 'function' || kind === 'model').map(({ kind, title }) => `${kind} ${title}`);
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={`stages of ${name}`}>
      <svg
        class="graph"
        viewBox={`0 0 ${fullWidth} ${fullHeight}`}
        style={{ width: '100%', minWidth: `${Math.round(fullWidth * leastScale)}px`, maxWidth: `${fullWidth}px` }}
        role="img"
        aria-label={`${name}: from ${method.inputs.map(({ name: input }) => input).join(', ') || 'nothing'} through ${text.join(', ') || 'no stage'} to ${method.outputs.map(({ name: output }) => output).join(', ')}`}
      >
        {nodes.flatMap(({ id, sources }) =>
          sources.map((source) => {
            const [from, to] = [places.get(source), places.get(id)];
            if (from === undefined || to === undefined) return null;
            const [x1, y1, x2, y2] = [from.x + width, from.y + height / 2, to.x, to.y + height / 2];
            const middle = (x1 + x2) / 2;
            return <path key={`${source}>${id}`} class="edge" d={`M${x1} ${y1} C${middle} ${y1} ${middle} ${y2} ${x2} ${y2}`} />;
          }),
        )}
        {nodes.map(({ id, kind, title, note }) => {
          const { x, y } = places.get(id) ?? { x: 0, y: 0 };
          return (
            <g key={id} class={`node ${kind}`} transform={`translate(${x} ${y})`}>
              <title>{`${title}: ${note}`}</title>
              <rect width={width} height={height} rx={kind === 'input' || kind === 'output' ? height / 2 : 6} />
              <text x={width / 2} y={19} class="title">
                {cut(title)}
              </text>
              <text x={width / 2} y={34} class="note">
                {cut(note)}
              </text>
            </g>
          );
        })}
      </svg>
    </div>
  );
}
