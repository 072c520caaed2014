import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadSync, type PackageDefinition } from '@grpc/proto-loader';
import { protoPath as healthProtoPath } from 'grpc-health-check';

const loadOptions = { keepCase: true, longs: String, enums: String, defaults: true, oneofs: true };

/** The directory `proto/`: at the top of the repository, found upwards from here, so that it works from src and dist alike. */
function protoDirectory(): string {
  for (let directory = dirname(fileURLToPath(import.meta.url)); ; directory = dirname(directory)) {
    const candidate = join(directory, 'proto');
    if (existsSync(join(candidate, 'mindspore_serving', 'proto', 'ms_service.proto'))) return candidate;
    if (dirname(directory) === directory) throw new Error('the proto directory is missing from this installation');
  }
}

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
