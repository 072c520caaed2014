import { loadSync, type PackageDefinition } from '@grpc/proto-loader';
import { protoPath as healthProtoPath } from 'grpc-health-check';
import { protoDirectory } from './proto-directory.js';

const loadOptions = { keepCase: true, longs: String, enums: String, defaults: true, oneofs: true };

/** The public .proto files. */
export interface PublicProtos {
  readonly oip: PackageDefinition;
  readonly ms: PackageDefinition;
  readonly health: PackageDefinition;
}

/** Reads the definitions of the public services. 64-bit integers are strings. */
export function loadPublicProtos(): PublicProtos {
  const options = { ...loadOptions, includeDirs: [protoDirectory()] };
  return {
    oip: loadSync('inference/grpc_service.proto', options),
    ms: loadSync('mindspore_serving/proto/ms_service.proto', options),
    health: loadSync(healthProtoPath, loadOptions),
  };
}
