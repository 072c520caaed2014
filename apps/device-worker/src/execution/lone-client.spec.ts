import { describe, expect, it } from '@jest/globals';
import { LoneClient } from './lone-client.js';

function after(tickets: number, inHand = 1): LoneClient {
  const client = new LoneClient();
  for (let i = 0; i < tickets; i++) client.came(inHand);
  return client;
}

describe('LoneClient', () => {
  it('lets runs hold the thread only after many tickets that came one by one', () => {
    expect(after(0).inlineBelowUs).toBe(0);
    expect(after(31).inlineBelowUs).toBe(0);
    expect(after(33).inlineBelowUs).toBeGreaterThan(0);
    expect(after(1000, 2).inlineBelowUs).toBe(0);
  });

  it('sends one run in sixteen to a native thread, where a second client would show', () => {
    const client = after(32);
    let elsewhere = 0;
    for (let i = 0; i < 160; i++) {
      client.came(1);
      if (client.inlineBelowUs === 0) elsewhere++;
    }
    expect(elsewhere).toBe(10);
  });

  it('ends with the first ticket that comes while another is in hand', () => {
    const client = after(100);
    client.came(2);
    expect(client.inlineBelowUs).toBe(0);
    for (let i = 0; i < 31; i++) client.came(1);
    expect(client.inlineBelowUs).toBe(0);
  });
});
