import type { Bench } from './context.ts';
import { dashboard } from './dashboard.ts';
import { features } from './features.ts';
import { inference } from './inference.ts';
import { latency } from './latency.ts';
import { rollUpBench } from './roll-up.ts';
import { throughput } from './throughput.ts';

/** Every bench, in the order in which they run. */
export const benches: readonly Bench[] = [throughput, latency, features, inference, dashboard, rollUpBench];
