import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { command, mserve, type CommandOutcome } from '../support/command.js';
import { root, serveDirectory } from '../support/running-process.js';
import { servableDirectory, writeAddServable } from '../support/servables.js';

/** A driver with two devices, as far as it is asked about them. */
const fakeDriver = `
#include <stddef.h>
#include <string.h>
int cuInit(unsigned flags) { return (int)flags; }
int cuDriverGetVersion(int *version) { *version = 12040; return 0; }
int cuDeviceGetCount(int *count) { *count = 2; return 0; }
int cuDeviceGet(int *device, int ordinal) { *device = ordinal; return 0; }
int cuDeviceGetName(char *name, int length, int device) { strncpy(name, device == 0 ? "Large" : "Small", (size_t)length); return 0; }
int cuDeviceTotalMem_v2(size_t *bytes, int device) { *bytes = (size_t)(device == 0 ? 80 : 24) << 30; return 0; }
int cuGetErrorString(int error, const char **text) { *text = "error"; return error * 0; }
`;

interface Finding {
  readonly provider: string;
  readonly usable: boolean;
  readonly driver?: string;
  readonly runtime?: string;
  readonly devices: readonly { readonly id: number; readonly name: string; readonly memoryBytes?: number }[];
  readonly problems: readonly string[];
  readonly cure?: string;
}

function findings({ stdout }: CommandOutcome): readonly Finding[] {
  return (JSON.parse(stdout) as { providers: readonly Finding[] }).providers;
}

const onLinux = process.platform === 'linux' ? describe : describe.skip;
const folder = mkdtempSync(join(tmpdir(), 'mserve-doctor-'));
afterAll(() => rmSync(folder, { recursive: true }));
const mserveWith = (env: Record<string, string>, ...args: string[]): Promise<CommandOutcome> =>
  command(process.execPath, [join(root, 'apps/server/bin/mserve.mjs'), ...args], env);

describe('mserve doctor', () => {
  it('tells of every provider whether models can run there, else what is missing and how to get it', async () => {
    const outcome = await mserve('doctor', '--json');
    expect(outcome.code).toBe(0);
    const found = findings(outcome);
    expect(found.map(({ provider }) => provider)).toEqual(['cuda', 'tensorrt', 'cann', 'ascend', 'cpu']);
    for (const { usable, problems, cure } of found) {
      expect(usable).toBe(problems.length === 0);
      expect(cure === undefined).toBe(usable);
      expect(problems.join()).not.toMatch(/\n|onnxruntime_src/);
    }
    expect(found.at(-1)).toMatchObject({ usable: true, runtime: expect.stringMatching(/^ONNX Runtime 1\.\d+\.\d+$/) });
  });

  it('says the same in words', async () => {
    const { stdout } = await mserve('doctor');
    expect(stdout).toMatch(/^mserve \S+ on Node v\S+, \S+: \d+ cores?, \d+ GiB of memory$/m);
    expect(stdout).toMatch(/^✓ cpu {7}runs ONNX and MindIR; ONNX Runtime 1\./m);
  });

  it('asks the library that it is told, and refuses what is none', async () => {
    const { code, stderr } = await mserve('doctor', '--onnxruntime-library', folder);
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: expect.stringContaining(`--onnxruntime-library: ${folder} is neither ONNX Runtime's library (libonnxruntime`),
    });
    const { libraryPath } = findings(await mserve('doctor', '--json')).at(-1) as Finding & { libraryPath: string };
    const outcome = await mserve('doctor', '--json', '--onnxruntime-library', libraryPath);
    expect(findings(outcome).at(-1)).toMatchObject({ provider: 'cpu', usable: true, libraryPath });
  });
});

onLinux('with a driver of NVIDIA, and an ONNX Runtime without CUDA', () => {
  let env: Record<string, string>;
  beforeAll(() => {
    const source = join(folder, 'driver.c');
    writeFileSync(source, fakeDriver);
    execFileSync('cc', ['-shared', '-fPIC', '-o', join(folder, 'libcuda.so.1'), source]);
    // No Python of this machine is looked into
    env = { LD_LIBRARY_PATH: folder, VIRTUAL_ENV: '', CONDA_PREFIX: '' };
  });

  it('doctor tells of its devices', async () => {
    const cuda = findings(await mserveWith(env, 'doctor', '--json', '--onnxruntime-library', npmLibrary())).find(
      ({ provider }) => provider === 'cuda',
    );
    expect(cuda).toMatchObject({
      usable: false,
      driver: 'CUDA 12.4',
      devices: [
        { id: 0, name: 'Large', memoryBytes: 80 * 2 ** 30 },
        { id: 1, name: 'Small', memoryBytes: 24 * 2 ** 30 },
      ],
      problems: [expect.stringContaining('provider "cuda" cannot be used here; it needs a GPU build of ONNX Runtime')],
    });
  });

  it('serve runs on the CPU when nothing was asked for, and says why', async () => {
    const servables = servableDirectory();
    writeAddServable(servables.path);
    const server = await serveDirectory(servables.path, ['--onnxruntime-library', npmLibrary()], env);
    try {
      expect(await server.line((line) => line.includes('provider auto'))).toContain(
        'provider auto: not cuda, though this machine seems to have such a device: provider "cuda" cannot be used here',
      );
    } finally {
      expect(await server.stop()).toBe(0);
      servables.remove();
    }
  });
});

function npmLibrary(): string {
  const script = "import { defaultLibraryPath } from '@mserve/native'; process.stdout.write(defaultLibraryPath());";
  return execFileSync(process.execPath, ['--input-type=module', '-e', script], { cwd: join(root, 'apps', 'server'), encoding: 'utf8' });
}
