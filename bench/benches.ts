import type { Bench } from './context.ts';
import { throughput } from './throughput.ts';

/** Every bench, in the order in which they run. */
export const benches: readonly Bench[] = [throughput];
