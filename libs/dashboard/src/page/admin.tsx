import { useEffect, useRef, useState } from 'preact/hooks';
import { errorText } from './infer.js';

/** A version on disk or loaded, as the admin API lists it. */
export interface ListedVersion {
  readonly version: number;
  readonly state: string;
}

/** What the admin API lists, by servable. */
export type Listed = ReadonlyMap<string, readonly ListedVersion[]>;

/** The admin API, once its token is given. */
export interface Admin {
  readonly listed: Listed;
  /** What the last change came to; undefined before the first. */
  readonly told: string | undefined;
  readonly isBusy: boolean;
  readonly change: (servable: string, action: 'load' | 'unload' | 'switch', version: number) => void;
  readonly leave: () => void;
}

async function ask(token: string, path: string, body?: object): Promise<unknown> {
  const response = await fetch(`/dashboard/admin/models${path}`, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { authorization: `Bearer ${token}`, ...(body !== undefined && { 'content-type': 'application/json' }) },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const bytes = new Uint8Array(await response.arrayBuffer());
  const text = new TextDecoder().decode(bytes);
  if (response.status === 500 && text.includes('"workers"')) return JSON.parse(text);
  if (!response.ok) throw new Error(`${response.status}: ${errorText(bytes)}`);
  return JSON.parse(text);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

function readList(body: unknown): Listed {
  const servables = isRecord(body) && Array.isArray(body['servables']) ? body['servables'] : [];
  return new Map(
    servables
      .filter(isRecord)
      .map((one) => [
        String(one['servable']),
        (Array.isArray(one['versions']) ? one['versions'] : [])
          .filter(isRecord)
          .map(({ version, state }): ListedVersion => ({ version: Number(version), state: String(state) })),
      ]),
  );
}

function changeText(action: string, servable: string, version: number, body: unknown): string {
  const workers = isRecord(body) && Array.isArray(body['workers']) ? body['workers'].filter(isRecord) : [];
  const errors = workers.flatMap(({ worker, error }) => (typeof error === 'string' ? [`${String(worker)}: ${error}`] : []));
  const what = `${action} ${servable} version ${version}`;
  return errors.length === 0
    ? `${what}: done by ${workers.length} ${workers.length === 1 ? 'worker' : 'workers'}`
    : `${what}: ${errors.join('; ')}`;
}

/** `revision` changes when servables do: then versions are listed again. */
export function useAdmin(revision: unknown): { admin: Admin | undefined; enter: (token: string) => Promise<string | undefined> } {
  const [token, setToken] = useState<string>();
  const [listed, setListed] = useState<Listed>(new Map());
  const [told, setTold] = useState<string>();
  const [isBusy, setBusy] = useState(false);
  const list = async (given: string): Promise<void> => setListed(readList(await ask(given, '')));
  const enter = async (given: string): Promise<string | undefined> => {
    try {
      await list(given);
    } catch (thrown) {
      return thrown instanceof Error ? thrown.message : String(thrown);
    }
    setToken(given);
    return undefined;
  };
  useEffect(() => {
    if (token !== undefined) list(token).catch(() => undefined);
  }, [revision]);
  if (token === undefined) return { admin: undefined, enter };
  const change = async (servable: string, action: string, version: number): Promise<void> => {
    setBusy(true);
    setTold(`${action} ${servable} version ${version}…`);
    try {
      setTold(changeText(action, servable, version, await ask(token, `/${encodeURIComponent(servable)}/${action}`, { version })));
      await list(token);
    } catch (thrown) {
      setTold(thrown instanceof Error ? thrown.message : String(thrown));
    }
    setBusy(false);
  };
  const leave = (): void => {
    setToken(undefined);
    setTold(undefined);
  };
  return { admin: { listed, told, isBusy, change: (...what) => void change(...what), leave }, enter };
}

/** Asks for the admin token. It is kept in this page alone, until it is closed or left. */
export function AdminEntry({ admin, enter }: ReturnType<typeof useAdmin>) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [problem, setProblem] = useState<string>();
  if (admin !== undefined)
    return (
      <button type="button" class="quiet" onClick={admin.leave}>
        Leave admin
      </button>
    );
  const submit = async (form: HTMLFormElement): Promise<void> => {
    const token = new FormData(form).get('token');
    const refused = await enter(typeof token === 'string' ? token.trim() : '');
    setProblem(refused);
    if (refused !== undefined) return;
    form.reset();
    dialog.current?.close();
  };
  return (
    <>
      <button type="button" class="quiet" onClick={() => dialog.current?.showModal()}>
        Admin…
      </button>
      <dialog ref={dialog} aria-labelledby="admin-title">
        <form
          onSubmit={(event) => {
            event.preventDefault();
            void submit(event.currentTarget);
          }}
        >
          <h2 id="admin-title">Admin token</h2>
          <p class="note">Versions can then be loaded, unloaded and switched. The token stays in this page until it is closed.</p>
          <label for="token">Token</label>
          <input id="token" name="token" type="password" autocomplete="off" required />
          {problem !== undefined && (
            <p class="problem" role="alert">
              {problem}
            </p>
          )}
          <p class="buttons">
            <button type="button" class="quiet" onClick={() => dialog.current?.close()}>
              Cancel
            </button>
            <button type="submit" class="primary">
              Use it
            </button>
          </p>
        </form>
      </dialog>
    </>
  );
}
