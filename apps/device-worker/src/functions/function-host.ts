import type { ServableDeclaration } from '@mserve/register';
import type { Instance } from '@mserve/wire';
import type { FunctionIsolation } from '../servable/declared-isolation.js';
import { ServableConfigError } from '../servable/servable-config-error.js';
import { textOf } from './function-call.js';
import type { Step } from './function-run.js';
import { PackWriter, type Pack } from './instance-pack.js';
import type { FromThread, LoadFailure, ProgramStart, SentContext } from './thread-message.js';
import { lowerPriority, restorePriority } from './thread-priority.js';

/** What runs functions tells its owner. After `ended` nothing comes any more. */
export interface HostEvents {
  message(message: FromThread): void;
  /** It is gone without having been asked to; why, in words for the callers of its function. */
  ended(reason: string): void;
}

/** What is loaded, and its limits. */
export interface HostOptions extends ProgramStart {
  /** Where the config is now: it may have been mounted anew since it was first loaded. Default: configFile. */
  readonly locateConfig?: () => string;
  /** Longest time a load of the servable_config may take. */
  readonly loadTimeoutMs: number;
  /** Heap of JavaScript in MiB. */
  readonly heapMb: number;
  /** What its native crash, which ends more than it, is told by; and what its process prints. */
  readonly log: (level: 'debug' | 'info' | 'warn' | 'error', text: string, facts?: Readonly<Record<string, string | number>>) => void;
  /** Gets each line that its thread prints, which is on stderr, too. */
  readonly onPrinted?: ((line: string) => void) | undefined;
}

/** Steps as they are handed over. */
export interface SentSteps {
  readonly pack: Pack;
  readonly contexts: readonly SentContext[] | undefined;
}

/**
 * One worker thread, or one process, that has loaded a servable's config and runs its functions. It has one batch of steps at a time, beside those that are
 * parked, which await something.
 */
export abstract class FunctionHost {
  /** What it is, in texts. */
  abstract readonly kind: FunctionIsolation;
  protected events: HostEvents | undefined;
  /** Why it ends, as far as that is known before. */
  protected reason: string | undefined;
  private threadId: number | undefined;
  /** What its priority was before it gave way. */
  private ownPriority: number | undefined;
  /** Settles a load that is under way when it is ended meanwhile. */
  private cancelLoad: () => void = () => undefined;

  protected constructor(protected readonly options: HostOptions) {}

  /**
   * Waits for the config to be loaded; `events` gets everything after that. Rejects with ServableConfigError when the config throws, hangs,
   * exits or declares what isn't allowed; nothing is left running then. To be called once, first.
   */
  load(events: HostEvents): Promise<ServableDeclaration> {
    const { servable, loadTimeoutMs } = this.options;
    return new Promise((resolve, reject) => {
      const refuse = (failures: readonly LoadFailure[], declared?: ServableDeclaration): void => {
        clearTimeout(timer);
        this.cancelLoad = () => undefined;
        this.events = undefined;
        void this.kill();
        const problems = failures.map(
          ({ message, file, line }) =>
            new ServableConfigError(servable, `import ${servable}.servable_config failed, ${message}`, file, line),
        );
        reject(ServableConfigError.ofAll(problems, declared));
      };
      this.cancelLoad = () => refuse([{ message: 'it was ended while it was loaded', file: undefined, line: undefined }]);
      const refuseWhole = (message: string): void => refuse([{ message, file: undefined, line: undefined }]);
      const timer = setTimeout(() => refuseWhole(`it was not loaded within ${loadTimeoutMs} ms`), loadTimeoutMs);
      this.events = {
        ended: refuseWhole,
        message: (message) => {
          if (message.kind === 'loadFailed') refuse(message.failures, message.declared);
          else if (message.kind !== 'loaded') events.message(message);
          else {
            clearTimeout(timer);
            this.cancelLoad = () => undefined;
            this.events = events;
            this.threadId = message.threadId;
            resolve(message.declaration);
          }
        },
      };
      this.listen();
    });
  }

  /**
   * The next batch; the last one must be done or parked. `takesContext`: the function that the steps call does. Throws RangeError when they are too large
   * together; nothing was handed over then.
   */
  abstract post(batch: number, steps: readonly Step[], takesContext: boolean): void;

  /** `outputs`: what the model gave, or why it gave nothing. */
  abstract answerModelCall(call: number, outputs: readonly Instance[] | string): void;

  /** Puts this number into {@link heard} as soon as its JavaScript comes back to the event loop. */
  abstract ping(number: number): void;
  /** Number of the last ping that it came to. */
  abstract get heard(): number;
  /** Steps of the batch that were begun; those from this number on can still be taken back. */
  abstract get started(): number;
  /** Steps that can't be taken back any more: begun, or on their way to a process. */
  abstract get handed(): number;
  /** Steps that ended without waiting for anything. */
  abstract get finished(): number;
  /** Whether any function of the batch awaits something. */
  abstract get hasPending(): boolean;
  /** Takes back what was not begun: steps from the returned number on will never be begun here. */
  abstract takeBack(): number;
  /** Lets this process end while it is there. */
  abstract unref(): void;

  /** Begins to listen to it. */
  protected abstract listen(): void;
  /** Ends it; resolves when it is gone, or is waited for no longer. */
  protected abstract kill(): Promise<void>;

  /** Lets everything else on the machine go first from now on. */
  giveWay(): void {
    if (this.threadId !== undefined && this.ownPriority === undefined && this.events !== undefined)
      this.ownPriority = lowerPriority(this.threadId);
  }

  /** Takes {@link giveWay} back; false when that is not allowed. */
  regain(): boolean {
    if (this.threadId === undefined || this.ownPriority === undefined) return true;
    if (!restorePriority(this.threadId, this.ownPriority)) return false;
    this.ownPriority = undefined;
    return true;
  }

  /** Ends it; no events after this. A load that is under way rejects. */
  async terminate(): Promise<void> {
    this.cancelLoad();
    this.events = undefined;
    await this.kill();
  }

  /** The author's code can send messages, too: what it sends may be anything, and must end no more than itself. */
  protected hear(message: FromThread): void {
    try {
      this.take(message);
    } catch (thrown) {
      this.reason ??= `it sent a message that is none of this server's: ${textOf(thrown)}`;
      void this.kill();
    }
  }

  protected take(message: FromThread): void {
    this.events?.message(message);
  }

  protected gone(reason: string): void {
    const { events } = this;
    this.events = undefined;
    events?.ended(this.reason ?? reason);
  }
}

/** Throws RangeError when they are too large together. */
export function sentSteps(steps: readonly Step[], takesContext: boolean, sharesMemory: boolean): SentSteps {
  const writer = new PackWriter(false, sharesMemory);
  const contexts: SentContext[] | undefined = takesContext ? [] : undefined;
  for (const { run, first, end } of steps) {
    writer.number(run.index).number(end - first);
    for (let i = first; i < end; i++) {
      writer.instance(run.instances[i] as Instance);
      contexts?.push(run.contextOf(i));
    }
  }
  return { pack: writer.finish(), contexts };
}
