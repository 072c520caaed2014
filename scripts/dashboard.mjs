/** Bundles the page of libs/dashboard, which tsc has compiled, into libs/dashboard/dist/assets: script, style, page. `npm run build` runs it after tsc. */
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const room = join(root, 'libs/dashboard');
/** Where the files of the page are. */
export const assets = join(room, 'dist/assets');

/** What the page was made of: its compiled modules, what lies beside their sources, the room that they import, the packages. */
function madeOf() {
  const folders = [join(room, 'dist/page'), join(room, 'src/page')];
  const files = folders.flatMap((folder) =>
    readdirSync(folder)
      .filter((name) => /\.(js|css|html|svg)$/.test(name))
      .map((name) => join(folder, name)),
  );
  const all = [...files, join(root, 'libs/wire/dist/.tsbuildinfo'), fileURLToPath(import.meta.url), join(root, 'package-lock.json')];
  return JSON.stringify(all.map((file) => [file.slice(root.length), statSync(file).mtimeMs]));
}

/** Makes the page, unless it is there and nothing has changed. Rejects when it was not compiled. */
export async function bundleDashboard() {
  if (!existsSync(join(room, 'dist/page/main.js'))) throw new Error('libs/dashboard is not compiled: run npm run build');
  const stamp = join(assets, 'made-of.json');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === madeOf()) return;
  const { build } = await import('esbuild');
  mkdirSync(assets, { recursive: true });
  await build({
    absWorkingDir: root,
    entryPoints: { page: join(room, 'dist/page/main.js') },
    outdir: assets,
    bundle: true,
    minify: true,
    platform: 'browser',
    format: 'esm',
    target: ['chrome109', 'firefox115', 'safari16'],
    legalComments: 'eof',
    logLevel: 'error',
  });
  await build({
    absWorkingDir: root,
    stdin: {
      contents: `@import 'uplot/dist/uPlot.min.css'; @import './page.css';`,
      resolveDir: join(room, 'src/page'),
      loader: 'css',
    },
    outfile: join(assets, 'page.css'),
    bundle: true,
    minify: true,
    external: ['/dashboard/*'],
    logLevel: 'error',
  });
  for (const name of ['index.html', 'icon.svg']) copyFileSync(join(room, 'src/page', name), join(assets, name));
  writeFileSync(stamp, madeOf());
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await bundleDashboard();
