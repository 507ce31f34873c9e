import { until } from '../../live/wait.ts';
import type { Fault, FaultProxy } from '../proxy/fault-proxy.ts';
import type { Row, RowContext } from '../row.ts';

/** Each stops one of the things that all stands on, and returns how it is healed. */
function dependencies({ system }: RowContext): { name: string; stop: () => Promise<() => Promise<void>> }[] {
  const { servers, bridges, workers } = system;
  const killed = servers.all.map((server) => ({
    name: `SIGKILL ${server.name}`,
    stop: async () => {
      await server.kill();
      return () => server.restart();
    },
  }));
  const cut = servers.all.map((server) => ({
    name: `black hole before ${server.name}`,
    stop: async () => {
      await server.proxy.set({ kind: 'black_hole' });
      return () => server.proxy.heal();
    },
  }));
  const frozen = [...bridges, ...workers].map((member) => ({
    name: `SIGSTOP ${member.name}`,
    stop: () => {
      member.freeze();
      return Promise.resolve(() => Promise.resolve(member.thaw()));
    },
  }));
  return [...killed, ...cut, ...frozen];
}

export const swizzle: Row = {
  name: 'swizzle',
  about: 'everything that Headrace stands on is stopped one by one, and healed in another random order',
  async run(context) {
    const { random, system } = context;
    const fromMs = Date.now();
    const heals: (() => Promise<void>)[] = [];
    for (const { name, stop } of random.shuffle(dependencies(context))) {
      heals.push(await stop());
      context.fault(name);
      await context.pause(500, 2_500);
    }
    for (const heal of random.shuffle(heals)) {
      await heal();
      await context.pause(200, 2_000);
    }
    await system.heal();
    await context.recovered(Date.now() - fromMs);
    context.mustHappen('events were sent and not acknowledged', context.load.unacknowledged);
  },
};

/** A short taste of the whole matrix, for every test run: each kind of fault once. */
export const medley: Row = {
  name: 'medley',
  about: 'one fault of each kind, one after the other: kills, cut replies, a zombie',
  needs: { partitions: 3 },
  async run(context) {
    const { system, random } = context;
    const { servers, bridges, workers } = system;
    const cutting: Fault = { kind: 'cut_reply', chance: 0.1, random: () => random.next() };
    /** A moment of its own, and then as long as nothing passes that could be cut. */
    const cutReplies = async ({ proxy }: { proxy: FaultProxy }) => {
      const before = proxy.counts.cutReplies;
      await proxy.set(cutting);
      return () => until('a reply is cut off', () => proxy.counts.cutReplies > before);
    };
    const steps: [string, () => Promise<void | (() => Promise<unknown>)>, () => Promise<void> | void][] = [
      ['SIGKILL a bridge', () => bridges[0]!.kill(), () => bridges[0]!.start()],
      ['SIGKILL a worker', () => workers[0]!.kill(), () => workers[0]!.start()],
      ['replies of Temporal are cut off', () => cutReplies(servers.temporal), () => servers.temporal.proxy.heal()],
      ['answers of Postgres are cut off', () => cutReplies(servers.postgres), () => servers.postgres.proxy.heal()],
      ['SIGKILL the model server', () => servers.models.kill(), () => servers.models.restart()],
      ['SIGKILL Temporal', () => servers.temporal.kill(), () => servers.temporal.restart()],
      ['SIGKILL Kafka', () => servers.kafka.kill(), () => servers.kafka.restart()],
    ];
    for (const [name, inflict, heal] of random.shuffle(steps)) {
      const bitten = await inflict();
      context.fault(name);
      await context.pause(1_500, 3_000);
      await bitten?.();
      await heal();
    }
    const frozenAtMs = Date.now();
    bridges[1]!.freeze();
    context.fault('SIGSTOP the other bridge');
    await bridges[0]!.ready();
    await context.recovered();
    bridges[1]!.thaw();
    await system.heal();
    await context.recovered(Date.now() - frozenAtMs);
    context.mustHappen(
      'replies were cut off',
      servers.temporal.proxy.counts.cutReplies + servers.postgres.proxy.counts.cutReplies,
      2,
    );
  },
};
