import { describe, expect, it } from '@jest/globals';
import { AdminAccess } from './admin-access.js';

const token = 'a-token-of-sixteen-letters';
const access = new AdminAccess({ address: 'models.internal:1600', token: () => token, hosts: ['mserve.svc', 'Gateway-0'] });
const bearer = `Bearer ${token}`;

describe('who may come in at the admin port', () => {
  it.each([
    'models.internal:1600',
    'MODELS.internal',
    'mserve.svc:80',
    'gateway-0',
    'localhost:1600',
    '127.0.0.1:1600',
    '10.1.2.3',
    '[::1]:1600',
    '[fe80::1]',
  ])('the host %s', (host) => {
    expect(access.denial(host, bearer)).toBeUndefined();
  });

  it.each<[host: string | undefined, status: number]>([
    ['evil.example', 403],
    ['127.0.0.1.evil.example:1600', 403],
    ['localhost.evil.example', 403],
    ['models.internal.', 403],
    ['2130706433', 403],
    ['user@localhost', 400],
    ['localhost:1600:1', 400],
    ['[::1', 400],
    ['', 400],
    [undefined, 400],
  ])('not the host %j', (host, status) => {
    expect(access.denial(host, bearer)).toMatchObject({ status });
  });

  it.each<[authorization: string | undefined, status: number | undefined]>([
    [bearer, undefined],
    [`bearer  ${token} `, undefined],
    [undefined, 401],
    ['', 401],
    ['Bearer', 401],
    ['Bearer ', 401],
    [`Basic ${token}`, 401],
    [token, 401],
    [`${bearer}x`, 401],
    [bearer.slice(0, -1), 401],
    [bearer.toUpperCase(), 401],
    [`${bearer} ${token}`, 401],
  ])('with the authorization %j: %j', (authorization, status) => {
    expect(access.denial('localhost', authorization)?.status).toBe(status);
  });

  it('nobody while the token cannot be read; texts never have it', () => {
    const away = new AdminAccess({
      address: '127.0.0.1:0',
      token: () => {
        throw new Error(token);
      },
    });
    expect(away.denial('localhost', bearer)).toEqual({ status: 503, error: 'the admin token cannot be read now' });
    expect(JSON.stringify(access.denial('localhost', 'Bearer wrong'))).not.toContain(token);
  });
});
