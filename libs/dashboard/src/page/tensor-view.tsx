import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { TensorSignature } from '@mserve/wire';
import { short, trimmed } from '@mserve/ops/state';
import type { Tensor } from './tensor.js';

const mostBars = 25;
const mostNumbers = 2000;

interface View {
  readonly tensor: Tensor;
  /** Without the dim of the one instance. */
  readonly shape: readonly number[];
  readonly classes: readonly (string | number)[] | undefined;
}

/** An output: text, a number, bars, a heat map or an image, and always its numbers. */
export function TensorView({
  tensor,
  signature,
  isBatched,
}: {
  readonly tensor: Tensor;
  readonly signature: TensorSignature | undefined;
  readonly isBatched: boolean;
}) {
  const shape = isBatched && tensor.shape[0] === 1 ? tensor.shape.slice(1) : tensor.shape;
  const view = { tensor, shape, classes: signature?.classes };
  return (
    <article class="output">
      <h4>
        {tensor.name} <span class="note">{`${tensor.datatype} [${shape.join(', ')}]`}</span>
      </h4>
      {tensor.datatype === 'BYTES' ? <Texts texts={tensor.texts} /> : <Numbers {...view} />}
    </article>
  );
}

function imageType(bytes: Uint8Array): string | undefined {
  if (bytes[0] === 0x89 && bytes[1] === 0x50) return 'image/png';
  if (bytes[0] === 0xff && bytes[1] === 0xd8) return 'image/jpeg';
  return undefined;
}

function Texts({ texts }: { readonly texts: readonly Uint8Array[] }) {
  return (
    <>
      {texts.slice(0, 100).map((text, i) => (
        <OneText key={i} bytes={text} />
      ))}
    </>
  );
}

function OneText({ bytes }: { readonly bytes: Uint8Array }) {
  const type = imageType(bytes);
  const url = useMemo(() => (type === undefined ? undefined : URL.createObjectURL(new Blob([bytes.slice()], { type }))), [bytes]);
  useEffect(() => () => (url === undefined ? undefined : URL.revokeObjectURL(url)), [url]);
  if (url !== undefined) return <img class="image" src={url} alt="the image that was answered" />;
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    text = `${bytes.byteLength} bytes: ${[...bytes.subarray(0, 64)].map((byte) => byte.toString(16).padStart(2, '0')).join(' ')}${bytes.byteLength > 64 ? ' …' : ''}`;
  }
  return <pre class="text">{text}</pre>;
}

function Numbers(view: View) {
  const { tensor, shape } = view;
  const numbers = useMemo(() => tensor.values.map(Number), [tensor]);
  const dims = shape.filter((dim) => dim !== 1);
  if (tensor.values.length === 1) return <p class="scalar">{String(tensor.values[0])}</p>;
  return (
    <>
      {dims.length <= 1 && <Bars {...view} numbers={numbers} />}
      {(dims.length === 2 || dims.length === 3) && <Planes numbers={numbers} dims={dims} name={tensor.name} />}
      <details>
        <summary>Numbers</summary>
        <pre class="numbers" tabIndex={0}>
          {tensor.values.slice(0, mostNumbers).map(String).join(', ')}
          {tensor.values.length > mostNumbers ? `, … (${tensor.values.length} in all)` : ''}
        </pre>
      </details>
    </>
  );
}

function isProbabilities(numbers: readonly number[]): boolean {
  return numbers.every((value) => value >= 0 && value <= 1.0001) && Math.abs(numbers.reduce((sum, value) => sum + value, 0) - 1) < 0.01;
}

function shareText(share: number): string {
  return share > 0 && share < 0.0001 ? '< 0.01 %' : `${trimmed(share * 100)} %`;
}

/** A vector as bars: probabilities from 0 to 1, the largest first when there are many; other numbers from their smallest to their largest, around 0. */
function Bars({ tensor, classes, numbers }: View & { readonly numbers: readonly number[] }) {
  const asShares = isProbabilities(numbers);
  const order = numbers.map((_, i) => i);
  if (numbers.length > mostBars) order.sort((a, b) => (numbers[b] ?? 0) - (numbers[a] ?? 0));
  const shown = order.slice(0, mostBars);
  const largest = Math.max(...numbers.map(Math.abs).filter(Number.isFinite), 1e-30);
  const best = numbers.indexOf(Math.max(...numbers));
  return (
    <>
      <ul class="bars" aria-label={`${tensor.name}: ${asShares ? 'probabilities' : 'values'}`}>
        {shown.map((i) => {
          const value = numbers[i] ?? 0;
          const share = asShares ? value : Math.abs(value) / largest;
          return (
            <li key={i} class={i === best ? 'best' : ''}>
              <span class="name">{classes?.[i] ?? i}</span>
              <span class="track" aria-hidden="true">
                <span class={`fill${value < 0 ? ' negative' : ''}`} style={{ width: `${Math.min(1, share) * 100}%` }} />
              </span>
              <b>{asShares ? shareText(value) : trimmed(value)}</b>
            </li>
          );
        })}
      </ul>
      {numbers.length > shown.length && <p class="note">{`the ${shown.length} largest of ${numbers.length}`}</p>}
    </>
  );
}

interface Layout {
  readonly height: number;
  readonly width: number;
  readonly planes: number;
  /** Where the element of a plane is. */
  readonly at: (plane: number, y: number, x: number) => number;
}

function layoutOf(dims: readonly number[]): Layout {
  const [a = 1, b = 1, c = 1] = dims;
  if (dims.length === 2) return { height: a, width: b, planes: 1, at: (_plane, y, x) => y * b + x };
  // Channels are few: [H, W, C], as pictures are kept, or [C, H, W], as models have them
  if (c <= 4 && a > 4) return { height: a, width: b, planes: c, at: (plane, y, x) => (y * b + x) * c + plane };
  return { height: b, width: c, planes: a, at: (plane, y, x) => (plane * b + y) * c + x };
}

/** From dark blue over green to yellow; its lightness grows evenly. */
const stops = [
  [68, 1, 84],
  [59, 82, 139],
  [33, 145, 140],
  [94, 201, 98],
  [253, 231, 37],
] as const;

function heat(share: number): readonly [number, number, number] {
  const place = Math.min(0.9999, Math.max(0, share)) * (stops.length - 1);
  const [low, high] = [stops[Math.floor(place)] ?? stops[0], stops[Math.floor(place) + 1] ?? stops[4]];
  const part = place - Math.floor(place);
  return [0, 1, 2].map((i) => Math.round((low[i] ?? 0) * (1 - part) + (high[i] ?? 0) * part)) as unknown as readonly [
    number,
    number,
    number,
  ];
}

const mostPixels = 2048;

/** Two dims as a heat map; three as an image of three channels, or one plane at a time. */
function Planes({ numbers, dims, name }: { readonly numbers: readonly number[]; readonly dims: readonly number[]; readonly name: string }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [plane, setPlane] = useState(0);
  const layout = useMemo(() => layoutOf(dims), [dims.join()]);
  const [low, high] = useMemo(() => {
    const finite = numbers.filter(Number.isFinite);
    return [
      finite.reduce((least, value) => Math.min(least, value), Infinity),
      finite.reduce((most, value) => Math.max(most, value), -Infinity),
    ];
  }, [numbers]);
  const isImage = layout.planes === 3 || layout.planes === 4;
  const { height, width, planes, at } = layout;
  const isTooLarge = height > mostPixels || width > mostPixels;
  useEffect(() => {
    const context = canvas.current?.getContext('2d');
    if (context === undefined || context === null || isTooLarge) return;
    const pixels = context.createImageData(width, height);
    const share = (index: number): number => ((numbers[index] ?? 0) - low) / (high - low || 1);
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const color = isImage ? [0, 1, 2].map((channel) => Math.round(share(at(channel, y, x)) * 255)) : heat(share(at(plane, y, x)));
        pixels.data.set([...color, 255], (y * width + x) * 4);
      }
    }
    context.putImageData(pixels, 0, 0);
  }, [numbers, layout, plane]);
  if (isTooLarge) return <p class="note">{`${height} × ${width} is too large to be drawn`}</p>;
  return (
    <div class="planes">
      <canvas
        ref={canvas}
        width={width}
        height={height}
        role="img"
        aria-label={`${name} as ${isImage ? 'an image' : 'a heat map'}, ${height} by ${width}, from ${trimmed(low)} to ${trimmed(high)}`}
      />
      <p class="note">{`${isImage ? 'image' : 'heat map'} ${height} × ${width}, ${short(low)} to ${short(high)}`}</p>
      {!isImage && planes > 1 && (
        <label>
          plane{' '}
          <input
            type="number"
            min={0}
            max={planes - 1}
            value={plane}
            onInput={(event) => setPlane(Math.min(planes - 1, Math.max(0, event.currentTarget.valueAsNumber || 0)))}
          />{' '}
          of {planes}
        </label>
      )}
    </div>
  );
}
