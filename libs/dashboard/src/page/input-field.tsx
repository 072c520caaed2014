import { useEffect, useMemo, useState } from 'preact/hooks';
import type { TensorSignature } from '@mserve/wire';
import { shapeText } from './shape-text.js';
import { isBytes, nestedText, type GivenInput } from './input.js';

interface FieldProps {
  readonly id: string;
  readonly input: TensorSignature;
  readonly given: GivenInput;
  readonly onChange: (given: GivenInput) => void;
}

/** Height, width and channels of an input that can be filled from an image. */
function imageDims({ shape, dtype }: TensorSignature): { height: number; width: number; channels: number; first: boolean } | undefined {
  if (shape === undefined || dtype === 'bool' || shape.some((dim) => dim < 1)) return undefined;
  const [a = 0, b = 0, c = 0] = shape;
  if (shape.length === 2 && a > 4 && b > 4) return { height: a, width: b, channels: 1, first: true };
  if (shape.length !== 3) return undefined;
  if ((a === 1 || a === 3) && b > 4 && c > 4) return { height: b, width: c, channels: a, first: true };
  if ((c === 1 || c === 3) && a > 4 && b > 4) return { height: a, width: b, channels: c, first: false };
  return undefined;
}

/** The pixels of an image file as elements: whole numbers from 0 to 255, others from 0 to 1. */
async function pixelsOf(file: Blob, input: TensorSignature): Promise<string> {
  const dims = imageDims(input);
  if (dims === undefined) throw new Error('the input has no shape of an image');
  const { height, width, channels, first } = dims;
  const bitmap = await createImageBitmap(file);
  const canvas = document.createElement('canvas');
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext('2d');
  if (context === null) throw new Error('images cannot be drawn here');
  context.drawImage(bitmap, 0, 0, width, height);
  const { data } = context.getImageData(0, 0, width, height);
  const isWhole = /int/.test(input.dtype ?? '');
  const elements: string[] = [];
  const put = (pixel: number, channel: number): void => {
    const [r = 0, g = 0, b = 0] = data.subarray(pixel * 4, pixel * 4 + 3);
    const value = channels === 1 ? 0.299 * r + 0.587 * g + 0.114 * b : ([r, g, b][channel] ?? 0);
    elements.push(isWhole ? String(Math.round(value)) : String(Number((value / 255).toPrecision(5))));
  };
  const pixels = width * height;
  if (first) for (let channel = 0; channel < channels; channel++) for (let i = 0; i < pixels; i++) put(i, channel);
  else for (let i = 0; i < pixels; i++) for (let channel = 0; channel < channels; channel++) put(i, channel);
  return nestedText(elements, input.shape ?? []);
}

function FileDrop({
  id,
  label,
  accept,
  onFile,
}: {
  readonly id: string;
  readonly label: string;
  readonly accept: string;
  readonly onFile: (file: File) => void;
}) {
  const [isOver, setOver] = useState(false);
  const take = (file: File | null | undefined): void => {
    setOver(false);
    if (file !== undefined && file !== null) onFile(file);
  };
  return (
    <div
      class={`drop${isOver ? ' over' : ''}`}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        event.preventDefault();
        take(event.dataTransfer?.files[0]);
      }}
    >
      <label for={id}>{label}</label>
      <input id={id} type="file" accept={accept} onChange={(event) => take(event.currentTarget.files?.[0])} />
      <span class="note">or drop it here</span>
    </div>
  );
}

function Preview({ file }: { readonly file: NonNullable<GivenInput['file']> }) {
  const url = useMemo(() => URL.createObjectURL(new Blob([file.bytes.slice()])), [file]);
  const [isImage, setImage] = useState(true);
  useEffect(() => {
    setImage(true);
    return () => URL.revokeObjectURL(url);
  }, [url]);
  return isImage ? <img class="preview" src={url} alt={`preview of ${file.name}`} onError={() => setImage(false)} /> : null;
}

/** The field of one input: text or a file, one number, or lists of numbers, also from an image. */
export function InputField({ id, input, given, onChange }: FieldProps) {
  const [problem, setProblem] = useState<string>();
  const { name, dtype, shape, doc, optional } = input;
  const takesBytes = isBytes(input);
  const takeFile = async (file: File): Promise<void> => {
    try {
      if (takesBytes) onChange({ ...given, file: { name: file.name, bytes: new Uint8Array(await file.arrayBuffer()) } });
      else onChange({ text: await pixelsOf(file, input) });
      setProblem(undefined);
    } catch (thrown) {
      setProblem(`${file.name} cannot be used: ${thrown instanceof Error ? thrown.message : String(thrown)}`);
    }
  };
  const isScalar = !takesBytes && shape?.length === 0 && dtype !== 'bool';
  return (
    <div class="field">
      <label for={id}>
        <b>{name}</b>{' '}
        <span class="note">
          {dtype ?? 'float32'} {shapeText(shape)}
          {optional === true ? ', optional' : ''}
        </span>
      </label>
      {doc !== undefined && (
        <p class="note" id={`${id}-doc`}>
          {doc}
        </p>
      )}
      {given.file !== undefined ? (
        <p class="file">
          <Preview file={given.file} />
          <span>
            {given.file.name}, {given.file.bytes.byteLength} bytes
          </span>
          <button type="button" class="quiet" onClick={() => onChange({ text: given.text })}>
            Remove {given.file.name}
          </button>
        </p>
      ) : isScalar ? (
        <input id={id} type="number" step="any" value={given.text} onInput={(event) => onChange({ text: event.currentTarget.value })} />
      ) : (
        <textarea
          id={id}
          rows={takesBytes ? 2 : 4}
          spellcheck={false}
          aria-describedby={doc === undefined ? undefined : `${id}-doc`}
          value={given.text}
          onInput={(event) => onChange({ text: event.currentTarget.value })}
        />
      )}
      {takesBytes && <FileDrop id={`${id}-file`} label="File" accept="" onFile={(file) => void takeFile(file)} />}
      {imageDims(input) !== undefined && (
        <FileDrop id={`${id}-image`} label="From an image" accept="image/*" onFile={(file) => void takeFile(file)} />
      )}
      {problem !== undefined && (
        <p class="problem" role="alert">
          {problem}
        </p>
      )}
    </div>
  );
}
