import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { hostPort, reachableHost } from '../../lib/host-port.ts';
import { freePort, isPortTaken } from '@headrace/stack/servers';
import { startNodeProcess } from '@headrace/stack/supervisor';
import type { DataFolder, Service } from '@headrace/stack/supervisor';
import type { Ports, ProcessName } from './addresses.ts';

const repository = fileURLToPath(new URL('../..', import.meta.url));

/** The simulator of a pipeline: `simulator/main.ts` in its folder (or `.mts`, `.mjs`, which need no package.json to be modules). Undefined when it has none. */
export function simulatorOf(pipelinesDir: string | undefined, pipeline: string): string | undefined {
  const folder = join(pipelinesDir ?? join(repository, 'pipelines'), pipeline, 'simulator');
  return ['main.ts', 'main.mts', 'main.mjs'].map((name) => join(folder, name)).find(existsSync);
}

export interface ProcessServicesOptions {
  folder: DataFolder;
  ports: Ports;
  /** Where the processes serve their metrics. */
  metricsHost: string;
  /** The environment of every process; asked at each start, when the servers' addresses are known. */
  env: () => NodeJS.ProcessEnv;
  /** Names of the services that must be ready first. */
  needs: string[];
  /** The generator's program and events per second; absent = none. */
  generator?: { main: string; pipeline: string; rate: number };
  /** Told where the gateway listens, each time it comes up. */
  onGatewayUrl: (url: string) => void;
  /** Told what the worker found to note about the models, each time it comes up. */
  onNotes: (notes: string[]) => void;
}

/** Our own processes as services. The bridge needs the worker, so it stops first and open batches drain. */
export function processServices({
  folder,
  ports,
  metricsHost,
  env,
  needs,
  generator,
  onGatewayUrl,
  onNotes,
}: ProcessServicesOptions): Service[] {
  const service = (
    name: ProcessName,
    main: string,
    more: { needs: string[]; env?: () => NodeJS.ProcessEnv; onReady?: (line: Record<string, unknown>) => void },
  ): Service => ({
    name,
    needs: more.needs,
    start: (onLaunch) => {
      const start = () =>
        startNodeProcess({
          name,
          main,
          logFile: folder.logFile(name),
          onLaunch,
          onReady: more.onReady,
          env: { ...env(), ...more.env?.(), HEADRACE_METRICS_PORT: String(ports.metrics[name]) },
        });
      return start().catch(async (error: unknown) => {
        if (!isPortTaken(error)) throw error;
        ports.metrics[name] = await freePort();
        return start();
      });
    },
  });
  const main = (name: ProcessName): string => join(repository, name, 'main.ts');
  const others = (['worker', 'bridge', 'generator'] as const).filter(
    (name) => name !== 'generator' || generator !== undefined,
  );
  const targets = () => others.map((name) => hostPort(reachableHost(metricsHost), ports.metrics[name])).join(',');
  const services = [
    service('worker', main('worker'), {
      needs,
      onReady: (line) => onNotes((line['notes'] as string[] | undefined) ?? []),
    }),
    service('bridge', main('bridge'), { needs: [...needs, 'worker'] }),
    service('gateway', main('gateway'), {
      needs,
      env: () => ({ HEADRACE_METRICS_TARGETS: targets(), HEADRACE_GATEWAY_PORT: String(ports.gateway) }),
      // It moves by itself when its port was taken in the meantime.
      onReady: (line) => onGatewayUrl(String(line['url'])),
    }),
  ];
  if (generator !== undefined) {
    const { rate, pipeline } = generator;
    services.push({
      ...service('generator', generator.main, {
        needs: ['bridge', 'gateway'],
        env: () => ({ HEADRACE_SIMULATOR_RATE: String(rate), HEADRACE_SIMULATOR_PIPELINE: pipeline }),
      }),
      mayFinish: true,
      essential: false,
    });
  }
  return services;
}
