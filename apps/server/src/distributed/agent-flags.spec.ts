import { describe, expect, it } from '@jest/globals';
import { agentOptionsOf, type AgentSettings } from '@mserve/agent';
import { loadSettings } from '@mserve/config';
import { agentFlags, type AgentStart } from './agent-flags.js';

const start: AgentStart = {
  servable: 'net',
  rank: 1,
  rankSize: 2,
  modelFiles: ['a_1.mindir', 'b_1.mindir'],
  groupConfigFiles: [],
  address: '127.0.0.1',
  port: 7003,
  deviceId: 5,
  intraOpThreads: undefined,
  distributedAddress: 'unix:/tmp/agents.sock',
};

/** What an agent makes of the flags that it gets from a server with these flags. */
async function agentOf(...flags: readonly string[]): Promise<AgentSettings> {
  const server = await loadSettings({ program: 'server', usage: '', argv: flags, env: {} });
  const argv = agentFlags(start, server.settings);
  return agentOptionsOf((await loadSettings({ program: 'agent', usage: '', argv, env: {} })).settings);
}

describe('the flags of an agent', () => {
  it('say which rank it runs, of which files, and where', async () => {
    expect(await agentOf()).toMatchObject({
      servable: 'net',
      rank: 1,
      rankSize: 2,
      modelFiles: ['a_1.mindir', 'b_1.mindir'],
      groupConfigFiles: [],
      address: '127.0.0.1',
      port: 7003,
      session: { device: { provider: 'cpu', id: 0, options: {} }, intraOpThreads: 1 },
    });
  });

  it.each([
    ['allow', ['--cpu-fallback', 'allow'], { cpuFallback: 'allow' }],
    ['refuse', ['--cpu-fallback', 'refuse'], {}],
    ['refuse, when nobody says', [], {}],
  ])('pass on whether its device may leave work to the CPU: %s', async (_, flags, options) => {
    const { session } = await agentOf('--provider', 'cuda', ...flags);
    expect(session?.device).toEqual({ backend: 'onnxruntime', provider: 'cuda', id: 5, options });
  });
});
