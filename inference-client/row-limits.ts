/** How many rows each model takes at once, remembered for a minute so that not every request asks. */
import type { ModelConfig } from './generated/inference.ts';

const rememberedMs = 60_000;
const modelsMax = 256;

interface AskOptions {
  readonly deadlineMs: number;
  readonly version?: string;
  readonly signal?: AbortSignal;
}

export interface RowLimits {
  /** The most rows of one request. Infinity for a model without a row dimension of its own (max_batch_size 0): nothing is known to cut it by. */
  of(model: string, options: AskOptions): Promise<number>;
  /** Asks again next time. */
  forget(model: string): void;
}

/** Creates the memory of one client; at most 256 models, the oldest go first. */
export function createRowLimits(
  modelConfig: (model: string, options: AskOptions) => Promise<ModelConfig>,
  nowMs: () => number,
): RowLimits {
  const known = new Map<string, { readonly rowsMax: number; readonly untilMs: number }>();

  return {
    async of(model, options) {
      const entry = known.get(model);
      if (entry !== undefined && nowMs() < entry.untilMs) return entry.rowsMax;
      const { maxBatchSize } = await modelConfig(model, options);
      const rowsMax = maxBatchSize > 0 ? maxBatchSize : Number.POSITIVE_INFINITY;
      known.delete(model);
      known.set(model, { rowsMax, untilMs: nowMs() + rememberedMs });
      if (known.size > modelsMax) known.delete(known.keys().next().value as string);
      return rowsMax;
    },
    forget(model) {
      known.delete(model);
    },
  };
}
