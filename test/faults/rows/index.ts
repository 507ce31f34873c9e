import type { Row } from '../row.ts';
import { killBridge, killWorker } from './kills.ts';

/** The matrix. */
export const rows: readonly Row[] = [killBridge, killWorker];
