import type { Message } from 'kafkajs';
import { payment, paymentMessage } from '../load.ts';
import type { Row } from '../row.ts';

const rounds = 12;
const perRound = 300;

/** Payments of one round, of accounts that nobody else uses. Whole seconds: within one, windows do not tell before from after. */
function payments(round: number): Message[] {
  return Array.from({ length: perRound }, (_, k) => {
    const i = round * perRound + k;
    return paymentMessage({
      ...payment(i),
      id: `twice-${i}`,
      account: `d${i % 31}`,
      at: Date.UTC(2026, 0, 1) + i * 1_000,
    });
  });
}

export const producerDuplicates: Row = {
  name: 'producer-duplicates',
  about:
    'producers send each event twice, at once or minutes of event time later, while bridges are killed: each record is decided once, whatever id its event has',
  async run(context) {
    const { system, random } = context;
    const sent: Message[][] = [];
    for (let round = 0; round < rounds; round++) {
      const events = payments(round);
      sent.push(events);
      await system.sendAfresh(events);
      // As a producer does that did not see the answer.
      if (round % 2 === 0) await system.sendAfresh(events);
      // As one does that was restarted and goes on from an older place.
      else await system.sendAfresh([...sent[round - 1]!.slice(0, perRound / 2), ...events]);
      context.fault(`${perRound} events were sent twice, some three times`);
      if (round % 4 !== 3) continue;
      const bridge = random.pick(system.bridges);
      await bridge.kill();
      context.fault(`SIGKILL ${bridge.name}`);
      bridge.start();
    }
    await context.recovered();
  },
  async verify(context) {
    const { rows } = await context.system.pool.query<{ times: string; events: string }>(
      `select times, count(*) as events from (select count(*) as times from decisions where event_id like 'twice-%' group by event_id) as counted group by times`,
    );
    const found = Object.fromEntries(rows.map(({ times, events }) => [times, Number(events)]));
    const threeTimes = (rounds / 2) * (perRound / 2);
    context.mustHappen('events were decided twice, as they came', found['2'] ?? 0, rounds * perRound - threeTimes);
    context.mustHappen('events were decided three times, as they came', found['3'] ?? 0, threeTimes);
    return [];
  },
};
