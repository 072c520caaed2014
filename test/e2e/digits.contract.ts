import { expect, it } from '@jest/globals';
import { float32s, grpcClient, inferBinary, post } from '../support/clients.js';
import { distance, imageCount, imagePng, imageTensor, labelOf, logitsOf } from '../support/digits.js';
import type { ServerAddresses } from '../support/running-process.js';

const every = Array.from({ length: imageCount }, (_, i) => i);
const expectedLabels = every.map(labelOf);

interface MsTensor {
  data: Buffer;
}

/**
 * The digits servable through all four protocols: every image of the test set gets the label of the stored logits, `logits` agrees within 1e-4.
 */
export function describeDigits(addresses: () => ServerAddresses): void {
  it('REST of the original: 100 images in one request', async () => {
    const instances = await Promise.all(every.map(async (i) => ({ image: { b64: (await imagePng(i)).toString('base64') } })));
    const { status, body } = await post(addresses().rest, '/model/digits:classify', JSON.stringify({ instances }));
    expect(status).toBe(200);
    const answers = (body as { instances: { label: number; probabilities: number[] }[] }).instances;
    expect(answers.map((answer) => answer.label)).toEqual(expectedLabels);
  });

  it('MSService: 100 images in one request, and logits', async () => {
    const client = grpcClient('ms', addresses().grpc);
    try {
      const instances = await Promise.all(
        every.map(async (i) => ({ items: { image: { shape: { dims: [1] }, dtype: 'MS_BYTES', bytes_val: [await imagePng(i)] } } })),
      );
      const reply = await client.call('Predict', { servable_spec: { name: 'digits', method_name: 'classify' }, instances });
      const answers = reply['instances'] as { items: Record<string, MsTensor> }[];
      expect(answers.map(({ items }) => Number(items['label']?.data.readBigInt64LE()))).toEqual(expectedLabels);

      const tensors = every.map((i) => ({
        items: { image: { shape: { dims: [1, 28, 28] }, dtype: 'MS_FLOAT32', data: Buffer.from(imageTensor(i).buffer) } },
      }));
      const logits = (await client.call('Predict', { servable_spec: { name: 'digits', method_name: 'logits' }, instances: tensors }))[
        'instances'
      ] as typeof answers;
      const worst = Math.max(...every.map((i) => distance(float32s(logits[i]?.items['logits']?.data as Buffer), logitsOf(i))));
      expect(worst).toBeLessThan(1e-4);
    } finally {
      client.close();
    }
  });

  it('Open Inference Protocol over REST, binary: one request per image, and a batch of logits', async () => {
    const labels = await Promise.all(
      every.map(async (i) => {
        const png = await imagePng(i);
        const element = Buffer.alloc(4 + png.length);
        element.writeUInt32LE(png.length);
        png.copy(element, 4);
        const outputs = await inferBinary(addresses().rest, 'digits.classify', {
          name: 'image',
          datatype: 'BYTES',
          shape: [1],
          bytes: element,
        });
        return Number(Buffer.from(outputs['label'] as Uint8Array).readBigInt64LE());
      }),
    );
    expect(labels).toEqual(expectedLabels);

    const batch = new Float32Array(every.flatMap((i) => Array.from(imageTensor(i))));
    const { logits } = await inferBinary(addresses().rest, 'digits.logits', {
      name: 'image',
      datatype: 'FP32',
      shape: [imageCount, 1, 28, 28],
      bytes: new Uint8Array(batch.buffer),
    });
    const values = float32s(logits as Uint8Array);
    expect(Math.max(...every.map((i) => distance(values.subarray(i * 10, i * 10 + 10), logitsOf(i))))).toBeLessThan(1e-4);
  });

  it('Open Inference Protocol over gRPC: typed contents and raw contents', async () => {
    const client = grpcClient('oip', addresses().grpc);
    try {
      const pngs = await Promise.all(every.map(imagePng));
      const reply = await client.call('ModelInfer', {
        model_name: 'digits.classify',
        inputs: [{ name: 'image', datatype: 'BYTES', shape: [imageCount], contents: { bytes_contents: pngs } }],
        outputs: [{ name: 'label' }],
      });
      const [label] = reply['outputs'] as { contents: { int64_contents: string[] } }[];
      expect(label?.contents.int64_contents.map(Number)).toEqual(expectedLabels);

      const batch = Buffer.concat(every.map((i) => Buffer.from(imageTensor(i).buffer)));
      const raw = await client.call('ModelInfer', {
        model_name: 'digits.logits',
        inputs: [{ name: 'image', datatype: 'FP32', shape: [imageCount, 1, 28, 28] }],
        raw_input_contents: [batch],
      });
      const [bytes] = raw['raw_output_contents'] as Buffer[];
      const values = float32s(bytes as Buffer);
      expect(Math.max(...every.map((i) => distance(values.subarray(i * 10, i * 10 + 10), logitsOf(i))))).toBeLessThan(1e-4);
    } finally {
      client.close();
    }
  });
}
