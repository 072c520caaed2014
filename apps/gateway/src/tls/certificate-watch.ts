import { stat } from 'node:fs/promises';
import { Inject, Injectable, type BeforeApplicationShutdown } from '@nestjs/common';
import type { AppLog } from '@mserve/app';
import { MetricRegistry, type Count } from '@mserve/metrics';
import { reloadMetrics } from '@mserve/ops';
import type { TlsFiles, TlsOptions } from '../edge/ingress-options.js';
import { logToken } from '../edge/tokens.js';
import { checkTls, TlsError, type CheckedTls } from './checked-tls.js';

/** How often the files are looked at. A change counts when two looks in a row find the same, so that both files of a pair can be written. */
const lookMs = 1_000;
const dayMs = 86_400_000;
/** Certificates that end within this time are told of, each day. */
const warningMs = 30 * dayMs;
/** A pair that was refused is tried again: it may have been not valid yet. */
const retryMs = 60_000;

type Renew = (tls: TlsOptions) => void;

/** What one or more ports use. */
interface Pair {
  readonly tls: TlsOptions | TlsFiles;
  readonly ports: Set<Renew>;
  checked: CheckedTls;
  /** State of the files at the last look. */
  seen: string;
  /** State of the files when they were read last. */
  settled: string;
  refusal: { readonly reason: string; readonly retryAt: number } | undefined;
  remindAt: number;
}

/** TLS of one port. */
export interface OpenedTls {
  /** As they are now. */
  readonly texts: TlsOptions;
  /** The port is not to be renewed any more. */
  close(): void;
}

/**
 * The certificates of all ports. Files are read again when they change and when {@link reload} is called; a pair that is wrong is refused with one line in the
 * log, and what was in use stays. Warns of certificates that end soon.
 */
@Injectable()
export class CertificateWatch implements BeforeApplicationShutdown {
  /** Ports with the same files share a pair; texts are told apart by their object. */
  private readonly pairs = new Map<unknown, Pair>();
  private timer: NodeJS.Timeout | undefined;
  private isClosed = false;

  private readonly refused: Count;

  constructor(
    @Inject(logToken) private readonly log: AppLog,
    @Inject(MetricRegistry) metrics: MetricRegistry,
  ) {
    this.refused = metrics.counter(reloadMetrics.failed).of(['tls']);
  }

  /** Reads and checks now. `renew` is called when something else is to be used; it must not throw. Rejects with TlsError. */
  async open(tls: TlsOptions | TlsFiles, renew: Renew): Promise<OpenedTls> {
    const key = keyOf(tls);
    const state = await stateOf(tls);
    const checked = checkTls(tls);
    const known = this.pairs.get(key);
    const pair = known ?? { tls, ports: new Set(), checked, seen: state, settled: state, refusal: undefined, remindAt: 0 };
    if (known === undefined) this.pairs.set(key, pair);
    else this.take(known, checked, state, false);
    if (known === undefined) this.remind(pair);
    pair.ports.add(renew);
    this.timer ??= this.next();
    return {
      texts: pair.checked.texts,
      close: () => {
        pair.ports.delete(renew);
        if (pair.ports.size === 0) this.pairs.delete(key);
      },
    };
  }

  /** Reads all files again, now, and says what came of it in the log. Never rejects. */
  async reload(): Promise<void> {
    for (const pair of this.pairs.values()) if (isFiles(pair.tls)) this.read(pair, await stateOf(pair.tls), true);
  }

  /** Nest calls it. */
  beforeApplicationShutdown(): void {
    this.isClosed = true;
    clearTimeout(this.timer);
  }

  private next(): NodeJS.Timeout {
    return setTimeout(() => {
      void this.look().then(() => {
        if (!this.isClosed) this.timer = this.next();
      });
    }, lookMs).unref();
  }

  private async look(): Promise<void> {
    for (const pair of this.pairs.values()) {
      const state = await stateOf(pair.tls);
      const { seen, settled, refusal } = pair;
      pair.seen = state;
      const hasChanged = state === seen && state !== settled;
      if (hasChanged || (refusal !== undefined && Date.now() >= refusal.retryAt)) this.read(pair, state, hasChanged);
      if (Date.now() >= pair.remindAt) this.remind(pair);
    }
  }

  /** `isTold`: a refusal goes to the log even when it is the same as before. */
  private read(pair: Pair, state: string, isTold: boolean): void {
    let checked: CheckedTls;
    try {
      checked = checkTls(pair.tls);
    } catch (error) {
      const reason = error instanceof TlsError ? error.problem : String(error);
      if (isTold || reason !== pair.refusal?.reason) {
        this.refused.add();
        this.log.error({}, `TLS: ${reason}; the certificate in use stays`);
      }
      pair.settled = state;
      pair.refusal = { reason, retryAt: Date.now() + retryMs };
      return;
    }
    this.take(pair, checked, state, isTold);
  }

  /** `isTold`: that nothing is different goes to the log. */
  private take(pair: Pair, checked: CheckedTls, state: string, isTold: boolean): void {
    const { texts: before } = pair.checked;
    const { texts } = checked;
    pair.settled = state;
    pair.refusal = undefined;
    if (texts.certificate === before.certificate && texts.privateKey === before.privateKey && texts.customCa === before.customCa) {
      if (isTold) this.log.info({}, `TLS: ${nameOf(checked)} is in use already`);
      return;
    }
    pair.checked = checked;
    for (const renew of pair.ports) renew(texts);
    this.log.info({}, `TLS: new connections get ${nameOf(checked)}`);
    this.remind(pair);
  }

  private remind(pair: Pair): void {
    const now = Date.now();
    pair.remindAt = now + dayMs;
    for (const { source, subject, at } of pair.checked.ends) {
      const leftMs = at.getTime() - now;
      if (leftMs > warningMs) continue;
      const days = Math.floor(leftMs / dayMs);
      const text = leftMs < 0 ? 'has expired: clients refuse it' : `ends in ${days} day${days === 1 ? '' : 's'}`;
      this.log.warn({}, `TLS: the certificate of ${subject} in ${source} ${text} (${at.toISOString()})`);
    }
  }
}

function isFiles(tls: TlsOptions | TlsFiles): tls is TlsFiles {
  return 'certificateFile' in tls;
}

function keyOf(tls: TlsOptions | TlsFiles): unknown {
  return isFiles(tls) ? JSON.stringify([tls.certificateFile, tls.privateKeyFile, tls.customCaFile, tls.verifyClient === true]) : tls;
}

function nameOf({ ends: [own] }: CheckedTls): string {
  return `the certificate in ${own?.source}, valid until ${own?.at.toISOString()}`;
}

/** Differs when a file was written or replaced, or leads elsewhere: links are followed. */
async function stateOf(tls: TlsOptions | TlsFiles): Promise<string> {
  if (!isFiles(tls)) return '';
  const paths = [tls.certificateFile, tls.privateKeyFile, tls.customCaFile].filter((path) => path !== undefined);
  const states = paths.map(async (path) => {
    try {
      const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
      return [dev, ino, size, mtimeNs, ctimeNs].join(':');
    } catch (error) {
      return String((error as NodeJS.ErrnoException).code);
    }
  });
  return (await Promise.all(states)).join(' ');
}
