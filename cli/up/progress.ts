import type { Progress } from '@headrace/stack/servers';

function seconds(ms: number): string {
  return `${Math.round(ms / 1_000)} s`;
}

/** What, how long, of how much: "kafka: downloading Apache Kafka 4.3.1 with Maven, 120 of 410 files, 4 s of about 15 s". */
export function describeProgress({ server, what, done, total, unit, elapsedMs, expectedMs }: Progress): string {
  const amount =
    done === undefined ? '' : total === undefined ? `, ${done} ${unit ?? ''}` : `, ${done} of ${total} ${unit ?? ''}`;
  const usual =
    expectedMs === undefined
      ? ''
      : elapsedMs <= expectedMs
        ? ` of about ${seconds(expectedMs)}`
        : ` (usually about ${seconds(expectedMs)}; this machine or its network is slower)`;
  const time = elapsedMs === 0 ? '' : `, ${seconds(elapsedMs)}${usual}`;
  return `${server}: ${what}${amount.trimEnd()}${time}`;
}
