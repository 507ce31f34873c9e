import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadPipelines } from '../../pipelines/load.ts';

/** A pipeline as somebody writes it who has only installed the package. */
const source = (imports: string, event: string, after = '') => `
import { definePipeline } from 'headrace';
${imports}
export default definePipeline({
  name: 'trees', topic: { name: 'trees' }, event: ${event},
  eventId: (event: any) => event.id, eventTimeMs: (event: any) => event.at, entities: { account: (event: any) => event.account },
  features: ({ count }) => ({ count: count({ entity: 'account', lengthMs: 1_000 }) }),
  model: { name: 'm', input: 'x', outputs: { y: 1 } }, outcomes: ['fine'], decide: () => ({ outcome: 'fine', why: 'usual' }), sinks: [{ sink: 'lake' }],
});
${after}
`;

const child = join(import.meta.dirname, 'load-child.ts');

/** What the folder's pipeline makes of a value, or why there is none. */
async function load(dir: string, value: unknown = {}): Promise<unknown> {
  const { stdout } = await promisify(execFile)(process.execPath, [
    '--import',
    'tsx',
    child,
    dir,
    JSON.stringify(value),
  ]);
  return JSON.parse(stdout);
}

describe('a folder of pipelines', () => {
  let root: string;
  let folders = 0;
  beforeAll(() => {
    root = mkdtempSync(join(tmpdir(), 'headrace-load-'));
  });
  afterAll(() => rmSync(root, { recursive: true, force: true }));

  /** Each in a folder of its own, because modules are loaded once. */
  function folderOf(text: string): { dir: string } {
    const dir = join(root, `f${folders++}`);
    mkdirSync(join(dir, 'trees'), { recursive: true });
    writeFileSync(join(dir, 'trees', 'index.ts'), text);
    return { dir };
  }

  test('may have schemas that refer to themselves, and to what the file says later', async () => {
    const { dir } = folderOf(
      source(
        `import { z } from 'zod';`,
        'z.object({ id: z.string(), root: z.lazy(() => Part) })',
        'const Part = z.object({ name: z.string(), get parts() { return z.array(Part).optional(); } });',
      ),
    );
    expect(await load(dir, { id: 'a', root: { name: 'x', parts: [{ name: 'y' }] } })).toEqual({
      success: true,
      type: 'object',
      isOld: false,
    });
  });

  test('may bring a zod of its own', async () => {
    const { dir } = folderOf(
      source(`import { z } from 'zod';`, 'z.object({ id: z.string(), account: z.string(), at: z.number() })'),
    );
    const own = join(dir, 'node_modules', 'zod');
    mkdirSync(own, { recursive: true });
    writeFileSync(
      join(own, 'package.json'),
      '{ "name": "zod", "version": "3.25.0", "type": "module", "exports": { ".": "./index.js" } }',
    );
    writeFileSync(join(own, 'index.js'), `export { z } from ${JSON.stringify(import.meta.resolve('zod/v3'))};`);
    expect(await load(dir, { id: 'a', account: 'b', at: 1 })).toEqual({ success: true, type: 'object', isOld: true });
  });

  test.each([
    [
      'a schema that cannot work',
      'z.object({ account: z.string().refine(async () => true), at: z.date() })',
      /\/trees\/index\.ts: pipeline "trees" cannot start:\n {2}- event\.account: its check or transform must not be asynchronous.*\n {2}- event\.at: z\.date\(\) fits no JSON value/,
    ],
    [
      'what is no schema',
      '5 as never',
      /\/trees\/index\.ts: pipeline "trees" cannot start:\n {2}- event: a schema of zod, or of another library/,
    ],
    ['a mistake in the file', 'z.nothing()', /\/trees\/index\.ts cannot be loaded: z\.nothing is not a function/],
  ])('is refused for %s, by its file and field', async (_, event, text) => {
    const { dir } = folderOf(source(`import { z } from 'zod';`, event));
    expect(await load(dir)).toEqual({ error: expect.stringMatching(text) });
  });
});

test('the shipped examples load, and nothing else in their folder is taken for one', async () => {
  expect((await loadPipelines({})).map(({ name }) => name)).toEqual(['fraud']);
});
