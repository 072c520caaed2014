import { describe, expect, it } from '@jest/globals';
import { ServingError } from '@mserve/wire';
import { listenAddressOf } from './address.js';

describe('listenAddressOf', () => {
  it.each([
    ['127.0.0.1:5500', { kind: 'tcp', host: '127.0.0.1', port: 5500 }],
    ['localhost:0', { kind: 'tcp', host: 'localhost', port: 0 }],
    ['[::1]:80', { kind: 'tcp', host: '::1', port: 80 }],
    ['unix:some/file', { kind: 'unix', path: 'some/file' }],
  ])('reads %s', (text, address) => {
    expect(listenAddressOf('Serving gRPC', text)).toEqual(address);
  });

  // Texts of the original (2.0.2), except for port 0: it means any free port here
  it.each([
    ['Serving gRPC', '127.0.0.1', "Serving Error: The format of the Serving gRPC address '127.0.0.1' is illegal"],
    ['Serving gRPC', '127.0.0.1:', "Serving Error: Missing ip or port of the Serving gRPC address '127.0.0.1:'"],
    ['Serving gRPC', ':5500', "Serving Error: Missing ip or port of the Serving gRPC address ':5500'"],
    [
      'Serving gRPC',
      '127.0.0.1:-1',
      "Serving Error: The port of the Serving gRPC address '127.0.0.1:-1' is out of legal range [1 ~ 65535]",
    ],
    [
      'Serving gRPC',
      '127.0.0.1:65536',
      "Serving Error: The port of the Serving gRPC address '127.0.0.1:65536' is out of legal range [1 ~ 65535]",
    ],
    ['Serving gRPC', '127.0.0.1:abc', "Serving Error: The type of Serving gRPC address '127.0.0.1:abc' port is not a number"],
    ['Serving gRPC', 'unix:', 'Serving Error: Empty grpc server unix domain socket address'],
    [
      'RESTful server',
      '127.0.0.1:65536',
      "Serving Error: The port of the RESTful server address '127.0.0.1:65536' is out of legal range [1 ~ 65535]",
    ],
    ['RESTful server', 'unix:x', 'Serving Error: RESTful server does not support binding to unix domain socket'],
    ['RESTful server', 'http://h:80', "Serving Error: The format of the RESTful server address 'http://h:80' is illegal"],
  ] as const)('refuses %s at %s', (tag, text, message) => {
    expect(() => listenAddressOf(tag, text)).toThrow(new ServingError('INVALID_ARGUMENT', message));
  });
});
