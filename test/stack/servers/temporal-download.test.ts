import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { downloadTemporal } from '../../../stack/servers/temporal-download.ts';
import { serve } from './programs.ts';
import { temporaryFolder } from './trial.ts';

describe('downloading a release', () => {
  it('unpacks the described file and leaves no archive', async () => {
    const source = temporaryFolder();
    writeFileSync(join(source, 'temporal'), 'the program');
    writeFileSync(join(source, 'LICENSE'), 'text');
    execFileSync('tar', ['-czf', join(source, 'a.tar.gz'), '-C', source, 'temporal', 'LICENSE']);
    const seen: string[] = [];
    const baseUrl = await serve((request, response) => {
      seen.push(request.url ?? '');
      if (request.url === '/a.tar.gz') return response.end(readFileSync(join(source, 'a.tar.gz')));
      return response.end(JSON.stringify({ archiveUrl: `${baseUrl}/a.tar.gz`, fileToExtract: 'temporal' }));
    });
    const folder = temporaryFolder();
    await downloadTemporal({ folder, version: '1.5.1', baseUrl });
    expect(readFileSync(join(folder, 'temporal'), 'utf8')).toBe('the program');
    expect(readdirSync(folder)).toEqual(['temporal']);
    expect(seen[0]).toMatch(/^\/cli\/v1\.5\.1\?platform=\w+&arch=\w+$/);
  });

  it('rejects an answer that is no description, and one that points outside the folder', async () => {
    const folder = temporaryFolder();
    const html = await serve((_, response) => response.end('{}'));
    await expect(downloadTemporal({ folder, version: '1', baseUrl: html })).rejects.toThrow(
      /did not describe a release/,
    );
    const outside = await serve((_, response) =>
      response.end(JSON.stringify({ archiveUrl: 'http://127.0.0.1:1/', fileToExtract: '../x' })),
    );
    await expect(downloadTemporal({ folder, version: '1', baseUrl: outside })).rejects.toThrow(
      /did not describe a release/,
    );
    expect(existsSync(join(folder, 'archive.tar.gz'))).toBe(false);
  });

  it('rejects a refusal with its status', async () => {
    const baseUrl = await serve((_, response) => response.writeHead(403).end());
    await expect(downloadTemporal({ folder: temporaryFolder(), version: '1', baseUrl })).rejects.toThrow(
      /answered 403/,
    );
  });
});
