import type { World } from './world.ts';

export const sinkNames = ['dashboard', 'lake', 'review'] as const;
export const deadLetters = 'dead letters';

/** Sinks that are idempotent by event key: the first effect of a key stays. */
export class FakeSinks {
  /** Per sink, the effect of each event key. */
  readonly effects = new Map<string, Map<string, string>>([...sinkNames, deadLetters].map((name) => [name, new Map()]));
  /** The sinks that do not answer now. */
  readonly down = new Set<string>();

  constructor(private readonly world: World) {}

  take(sink: string, partition: number, offset: number, effect: string): void {
    const effects = this.effects.get(sink)!;
    const key = keyOf(partition, offset);
    const known = effects.get(key);
    if (known === undefined) effects.set(key, effect);
    else this.world.trace.count('effect delivered again');
    if (known !== undefined && known !== effect)
      this.world.oracle.violated('I2', `${sink} was given ${key} as "${effect}", and has it as "${known}"`);
  }

  effect(sink: string, partition: number, offset: number): string | undefined {
    return this.effects.get(sink)!.get(keyOf(partition, offset));
  }
}

function keyOf(partition: number, offset: number): string {
  return `${partition}:${offset}`;
}
