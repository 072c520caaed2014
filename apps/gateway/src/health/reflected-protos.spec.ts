import { describe, expect, it } from '@jest/globals';
import descriptors from 'protobufjs/ext/descriptor/index.js';
import { loadPublicProtos } from './proto-files.js';
import { reflectedProtos } from './reflected-protos.js';

interface MessageType {
  readonly name: string;
  readonly field: readonly { readonly name: string; readonly typeName: string }[];
  readonly nestedType: readonly MessageType[];
  readonly options?: { readonly mapEntry?: boolean } | null;
}

/** `Message.field: name of its entries, as the field and as the nested type say` for every map field at or below a message. */
function mapFields(type: MessageType, above: string): string[] {
  const path = `${above}${type.name}`;
  const own = type.nestedType
    .filter(({ options }) => options?.mapEntry === true)
    .map(({ name }) => `${path}.${type.field.find(({ typeName }) => typeName === name)?.name}: ${name}`);
  return [...own, ...type.nestedType.flatMap((nested) => mapFields(nested, `${path}.`))];
}

describe('the protos that reflection shows', () => {
  it('call the entries of map fields as protoc does', () => {
    const { oip, ms, health } = loadPublicProtos();
    const files = new Set(
      Object.values(reflectedProtos({ ...oip, ...ms, ...health })).flatMap(({ fileDescriptorProtos }) =>
        Array.isArray(fileDescriptorProtos) ? fileDescriptorProtos : [],
      ),
    );
    const found = [...files].flatMap((file) => {
      const { messageType } = descriptors.FileDescriptorProto.decode(file) as unknown as { messageType: MessageType[] };
      return messageType.flatMap((type) => mapFields(type, ''));
    });
    expect(new Set(found)).toEqual(
      new Set([
        'HealthListResponse.statuses: StatusesEntry',
        'Instance.items: ItemsEntry',
        'Instance.output_buffers: OutputBuffersEntry',
        'ModelMetadataResponse.properties: PropertiesEntry',
        'RepositoryModelLoadRequest.parameters: ParametersEntry',
        'RepositoryModelUnloadRequest.parameters: ParametersEntry',
        'ModelInferRequest.parameters: ParametersEntry',
        'ModelInferRequest.InferInputTensor.parameters: ParametersEntry',
        'ModelInferRequest.InferRequestedOutputTensor.parameters: ParametersEntry',
        'ModelInferResponse.parameters: ParametersEntry',
        'ModelInferResponse.InferOutputTensor.parameters: ParametersEntry',
      ]),
    );
  });
});
