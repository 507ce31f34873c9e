import type { Admin, Kafka } from 'kafkajs';
import { withTimeout } from '../lib/with-timeout.ts';

/** Longer than kafkajs's own tries take in all but the worst case, and far shorter than that one. */
const adminDeadlineMs = 30_000;

/**
 * kafkajs's admin client, each of whose calls ends within a deadline. By itself it gives each request of a call a time-out, and repeats the
 * call: a broker that is silent can hold one up for minutes.
 */
export function createAdmin(kafka: Pick<Kafka, 'admin'>, deadlineMs: number = adminDeadlineMs): Admin {
  return new Proxy(kafka.admin(), {
    get(admin, name) {
      const method = Reflect.get(admin, name) as unknown;
      if (typeof method !== 'function') return method;
      return (...parameters: unknown[]): unknown => {
        const answer: unknown = Reflect.apply(method, admin, parameters);
        return answer instanceof Promise
          ? withTimeout(deadlineMs, answer, `Kafka does not answer within ${deadlineMs / 1_000} s (${String(name)})`)
          : answer;
      };
    },
  });
}
