import { DirectServer } from '@mserve/bus';
import { isUnspecified, parseAddress, settingError } from '@mserve/config';

/** Listens where others take tensors from this process; undefined where the setting names no address. Rejects with an error about the setting. */
export async function listenForTensors(tensorAddress: string | undefined): Promise<DirectServer | undefined> {
  if (tensorAddress === undefined || tensorAddress === '') return undefined;
  const address = parseAddress(tensorAddress);
  if (address.kind !== 'tcp') throw settingError('tensorAddress', `${tensorAddress} is no address of TCP`);
  const { host, port } = address;
  if (isUnspecified(address)) {
    throw settingError(
      'tensorAddress',
      `${tensorAddress}: others are told this address, so it has to be one at which they reach this machine`,
    );
  }
  return DirectServer.listen(host, port).catch((error: unknown) => {
    throw settingError('tensorAddress', `${tensorAddress}: ${error instanceof Error ? error.message : String(error)}`);
  });
}
