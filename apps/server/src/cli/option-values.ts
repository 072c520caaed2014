import { AddressError, parseAddress } from '@mserve/config';
import { InvalidArgumentError } from 'commander';

/** Reads a whole number of a range. */
export function wholeNumber(min: number, max: number) {
  return (text: string): number => {
    const number = /^\d+$/.test(text) ? Number(text) : NaN;
    if (!Number.isInteger(number) || number < min || number > max)
      throw new InvalidArgumentError(`a whole number from ${min} to ${max} is expected.`);
    return number;
  };
}

/** Gathers a flag that may be given several times. */
export function collect<T>(parse: (text: string) => T) {
  return (text: string, before: readonly T[] | undefined): T[] => [...(before ?? []), parse(text)];
}

/** HOST:PORT of a server that runs. */
export function serverAddress(text: string): string {
  try {
    if (parseAddress(text).kind === 'tcp') return text;
  } catch (error) {
    if (!(error instanceof AddressError)) throw error;
  }
  throw new InvalidArgumentError('HOST:PORT is expected, for example 127.0.0.1:1500.');
}

/** An address as Client takes it; HOST:PORT alone is a REST port. */
export function clientAddress(server: string): string {
  return /^[a-z]+:/.test(server) && !/^[^:]+:\d+$/.test(server) ? server : `http://${server}`;
}
