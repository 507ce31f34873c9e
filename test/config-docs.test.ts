import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseConfig, settingRows } from '../contracts/schemas/config.ts';
import { generatedFiles } from '../scripts/generate-config-docs.ts';

const read = (path: string) => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8');

describe('documentation of the configuration', () => {
  it.each([...generatedFiles().keys()])(
    '%s is what the settings say: run node --import tsx scripts/generate-config-docs.ts',
    (path) => {
      expect(read(path)).toBe(generatedFiles().get(path));
    },
  );

  it('names every setting once in .env.example, with a value that means the same as none', () => {
    const entries = [...read('.env.example').matchAll(/^# ([A-Z][A-Z0-9_]+)=(.*)$/gm)].map(
      ([, name, value]) => [name!, value!] as const,
    );
    expect(entries.map(([name]) => name)).toEqual(settingRows().map(({ env }) => env));
    expect(parseConfig(Object.fromEntries(entries))).toEqual(parseConfig({}));
  });

  it('tells no default of a secret', () => {
    const secrets = settingRows()
      .filter(({ secret }) => secret)
      .map(({ env }) => env);
    expect(secrets).toContain('DATABASE_URL');
    for (const env of secrets) {
      expect(read('.env.example')).toContain(`# ${env}=\n`);
      expect(read('docs/configuration.md')).toContain(`| \`${env}\` | secret |`);
    }
  });
});
