import type { PackageDefinition } from '@grpc/proto-loader';
import descriptors from 'protobufjs/ext/descriptor/index.js';

interface Field {
  readonly name: string;
  typeName?: string;
}

interface MessageType {
  name: string;
  readonly field: readonly Field[];
  readonly nestedType: readonly MessageType[];
  readonly options?: { readonly mapEntry?: boolean } | null;
}

/** protoc's name for the entries of a map field: `int_values` has IntValuesEntry. */
function entryName(field: string): string {
  return `${field.replace(/(?:^|_)(.)/g, (_, first: string) => first.toUpperCase())}Entry`;
}

/** protobufjs calls the entries of the map field `properties` Properties, which readers of descriptors (grpcurl) refuse. */
function nameMapEntries(type: MessageType): void {
  for (const nested of type.nestedType) {
    if (nested.options?.mapEntry === true) {
      const field = type.field.find(({ typeName }) => typeName === nested.name);
      if (field !== undefined) nested.name = field.typeName = entryName(field.name);
    }
    nameMapEntries(nested);
  }
}

function named(file: Buffer): Buffer {
  const { FileDescriptorProto } = descriptors;
  const decoded = FileDescriptorProto.decode(file);
  for (const type of (decoded as unknown as { readonly messageType: readonly MessageType[] }).messageType) nameMapEntries(type);
  return Buffer.from(FileDescriptorProto.encode(decoded).finish());
}

/** The definitions with file descriptors as protoc would write them, for gRPC reflection. */
export function reflectedProtos(definitions: PackageDefinition): PackageDefinition {
  const files = new Map<Buffer, Buffer>();
  const once = (file: Buffer): Buffer => {
    const known = files.get(file) ?? named(file);
    files.set(file, known);
    return known;
  };
  const reflected: PackageDefinition = {};
  for (const [name, definition] of Object.entries(definitions)) {
    const { fileDescriptorProtos } = definition;
    reflected[name] = Array.isArray(fileDescriptorProtos)
      ? ({ ...definition, fileDescriptorProtos: fileDescriptorProtos.map(once) } as typeof definition)
      : definition;
  }
  return reflected;
}
