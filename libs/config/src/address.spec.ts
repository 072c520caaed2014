import { describe, expect, it } from '@jest/globals';
import { AddressError, formatAddress, isLoopback, natsServersOf, parseAddress } from './address.js';

describe('addresses', () => {
  it.each([
    ['127.0.0.1:5500', { kind: 'tcp', host: '127.0.0.1', port: 5500 }],
    ['localhost:0', { kind: 'tcp', host: 'localhost', port: 0 }],
    ['[::1]:80', { kind: 'tcp', host: '::1', port: 80 }],
    ['[fe80::1%eth0]:80', { kind: 'tcp', host: 'fe80::1%eth0', port: 80 }],
    ['unix:some/file', { kind: 'unix', path: 'some/file' }],
  ])('%s is read, and written again', (text, address) => {
    expect(parseAddress(text)).toEqual(address);
    expect(formatAddress(parseAddress(text))).toBe(text);
  });

  it('are written with the port that was bound', () => {
    expect(formatAddress(parseAddress('[::1]:0'), 4321)).toBe('[::1]:4321');
  });

  it.each([
    ['127.0.0.1', 'no-port'],
    ['', 'no-port'],
    ['127.0.0.1:', 'empty-part'],
    [':80', 'empty-part'],
    ['h:+x', 'port-not-a-number'],
    ['h:-1', 'port-range'],
    ['h:65536', 'port-range'],
    ['::1:80', 'host'],
    ['[::1:80', 'host'],
    ['http://h:80', 'host'],
    ['a b:80', 'host'],
    ['me@h:80', 'host'],
    ['unix:', 'empty-path'],
  ])('%j is none: %s', (text, problem) => {
    expect(() => parseAddress(text)).toThrow(AddressError);
    expect(() => parseAddress(text)).toThrow(expect.objectContaining({ problem }));
  });

  it.each([
    ['127.0.0.1:1', true],
    ['127.9.9.9:1', true],
    ['localhost:1', true],
    ['[::1]:1', true],
    ['unix:x', true],
    ['0.0.0.0:1', false],
    ['[::]:1', false],
    ['localhost.example:1', false],
    ['127.0.0.1.example:1', false],
  ])('%s is on loopback: %s', (text, loopback) => {
    expect(isLoopback(parseAddress(text))).toBe(loopback);
  });

  it('of NATS servers may leave out the scheme and the port', () => {
    expect(natsServersOf('nats://a:1,b,[::1]')).toEqual({ servers: ['a:1', 'b:4222', '[::1]:4222'], tls: false, loopback: false });
    expect(natsServersOf('localhost,nats://[::1]:1')).toEqual({ servers: ['localhost:4222', '[::1]:1'], tls: false, loopback: true });
    expect(natsServersOf('tls://127.0.0.1,a')).toEqual({ servers: ['127.0.0.1:4222', 'a:4222'], tls: true, loopback: false });
    expect(natsServersOf('tls://user@a:1')).toBeUndefined();
    expect(natsServersOf('nats://user:password@a:1')).toBeUndefined();
    expect(natsServersOf('a, b')).toBeUndefined();
  });
});
