import { expect, test } from 'vitest';
import { directHosts, proxyVariablesOf, unusedProxies } from '../../lib/proxies.ts';

test('proxy variables are found in either case, and empty ones are none', () => {
  const env = {
    https_proxy: 'http://p:1',
    HTTP_PROXY: 'http://p:1',
    grpc_proxy: '',
    ALL_PROXY: 'socks5://p:1',
    no_proxy: 'a',
  };
  expect(proxyVariablesOf(env)).toEqual(['https_proxy', 'HTTP_PROXY', 'ALL_PROXY']);
  expect(proxyVariablesOf({ no_proxy: 'a' })).toEqual([]);
});

test('where a proxy is set, this machine and the given hosts are kept from it, beside those that were', () => {
  const list = 'a.example,.b,localhost,127.0.0.1,::1,[::1],metrics';
  expect(
    directHosts({ HTTP_PROXY: 'http://p:1', no_proxy: 'a.example, .b', NO_PROXY: 'localhost' }, [
      'metrics',
      '127.0.0.1',
    ]),
  ).toEqual({ no_proxy: list, NO_PROXY: list });
  expect(directHosts({ no_proxy: 'a.example' })).toEqual({});
});

test('a message names the variables that are not used, and how to ask for a proxy', () => {
  expect(unusedProxies(['https_proxy'], 'X')).toBe('; https_proxy is not used for it: set X to go through a proxy');
  expect(unusedProxies(['https_proxy', 'HTTP_PROXY'])).toBe('; https_proxy, HTTP_PROXY are not used for it');
  expect(unusedProxies([], 'X')).toBe('');
});
