import { NativeError, runtimeCodes, type NativeErrorKind, type RuntimeCode } from '@mserve/native';
import { ServingError } from '@mserve/wire';

/** Why a rank gave nothing for a batch. */
export class RankFailure extends Error {
  override readonly name = 'RankFailure';

  constructor(
    readonly rank: number,
    /** A NativeErrorKind, or `lost` when the agent did not answer. */
    readonly kind: string,
    message: string,
    readonly runtimeCode?: string | undefined,
  ) {
    super(message);
  }
}

/** Kinds whose cause is the batch itself, from the one that says most. The other ranks then fail too, since their peer is gone. */
const own: readonly NativeErrorKind[] = ['input', 'run'];

/** What failed in the first place, of all that ranks said about one batch. */
export function causeOf(failures: readonly RankFailure[]): RankFailure {
  const byKind = (kind: string): RankFailure | undefined => failures.find((failure) => failure.kind === kind);
  const found = byKind('input') ?? byKind('run') ?? byKind('lost') ?? byKind('peer') ?? byKind('protocol') ?? failures[0];
  return found ?? new RankFailure(0, 'lost', 'the ranks left their mesh');
}

/** Whether another attempt may succeed: ranks were lost or did not agree, and it is not the batch that is at fault. */
export function isRetryable({ kind }: RankFailure): boolean {
  return kind !== 'deadline' && !own.some((one) => one === kind);
}

/** The error of a run that failed so: a NativeError for what the batch itself caused, else ServingError UNAVAILABLE, which clients may retry. */
export function errorOf({ rank, kind, message, runtimeCode }: RankFailure): Error {
  const known = own.find((one) => one === kind);
  if (known !== undefined) return new NativeError(known, `rank ${rank}: ${message}`, { runtimeCode: runtimeCodeOf(runtimeCode) });
  if (kind === 'deadline') return new ServingError('UNAVAILABLE', `Failed to wait for result of rank ${rank}: ${message}`);
  return new ServingError('UNAVAILABLE', `Error happened on get result of rank ${rank}: ${message}`);
}

function runtimeCodeOf(text: string | undefined): RuntimeCode | undefined {
  return runtimeCodes.find((code) => code !== undefined && code === text);
}
