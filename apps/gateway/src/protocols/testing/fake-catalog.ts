import { ServingError, type MethodSignature, type TensorSignature } from '@mserve/wire';
import type { IngressRequest, InferRoute } from '../../edge/ingress.js';
import type { MethodLookup, ResolvedMethod } from '../protocol.js';

/** Inputs or outputs by name alone: dtype and shape unknown. */
export function named(...names: string[]): TensorSignature[] {
  return names.map((name) => ({ name }));
}

/** A method signature; batched unless told otherwise. */
export function method(
  name: string,
  inputs: readonly TensorSignature[],
  outputs: readonly TensorSignature[],
  batched = true,
): MethodSignature {
  return { name, inputs, outputs, batched, batchSize: 4 };
}

/** A catalog of one servable in versions 1 and 2, with the texts of the original for what it does not have. */
export class FakeCatalog implements MethodLookup {
  constructor(
    readonly servable: string,
    readonly methods: readonly MethodSignature[],
  ) {}

  resolve(servable: string, version: number, name: string): ResolvedMethod {
    const versionText = version > 0 ? `  version(${version}) ` : ' ';
    if (servable !== this.servable || version > 2) {
      throw new ServingError('NOT_FOUND', `Request servable(${servable}) method(${name})${versionText}, servable is not available`);
    }
    const found = this.methods.find((each) => each.name === name);
    if (found === undefined) throw new ServingError('NOT_FOUND', `Request servable(${servable}) method(${name}) , method is not available`);
    return { servable, version: version === 0 ? 2 : version, method: found };
  }

  resolveModel(model: string, version: string): ResolvedMethod {
    const [servable = '', name = 'predict'] = model.split('.');
    if (version !== '' && !/^[1-9][0-9]*$/.test(version))
      throw new ServingError('INVALID_ARGUMENT', `model version '${version}' is not a number`);
    return this.resolve(servable, Number(version), name);
  }
}

/** A raw request as an ingress hands it on. */
export function rawRequest(
  route: InferRoute,
  path: string,
  body: Uint8Array | string,
  extra: Partial<IngressRequest> = {},
): IngressRequest {
  return {
    token: 7,
    route,
    path,
    verb: 'POST',
    headers: {},
    body: typeof body === 'string' ? Buffer.from(body) : body,
    deadlineAt: Infinity,
    takeBuffer: (bytes) => Buffer.allocUnsafeSlow(bytes),
    giveBuffer: () => undefined,
    release: () => undefined,
    ...extra,
  };
}
