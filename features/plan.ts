import type { AnyPipeline, WindowFeature } from '../contracts/pipeline.ts';
import type { WindowLayout } from './window-state.ts';

/** A pipeline's features, sorted out once so that the loop over events does no look-ups. */
export interface FeaturePlan {
  /** Feature names in column order. */
  names: string[];
  /** Numbers of the event itself: features of kind `value`, then the fields that windows add up. */
  inputs: { name: string; read: (event: unknown) => number }[];
  /** How many of `inputs` are features, and the column of each. */
  valueColumns: number[];
  groups: WindowGroup[];
  allowedLatenessMs: number;
}

/** All windows over one kind of entity. They share one state per entity. */
export interface WindowGroup {
  entity: string;
  /** Index in the pipeline's entities. */
  entityIndex: number;
  /** The fields that are added up are `inputs[inputFrom]` and the following, `layout.fieldCount` of them. */
  inputFrom: number;
  layout: WindowLayout;
  /** Part of the state's key: a state of another make-up is never read by mistake. */
  layoutId: string;
  windows: Window[];
}

interface Window {
  delayMs: number;
  lengthMs: number;
  outputs: WindowOutput[];
}

interface WindowOutput {
  column: number;
  aggregate: WindowFeature<unknown>['aggregate'];
  /** Index among the group's fields; -1 for a count. */
  field: number;
}

export interface PlanOptions {
  /** @default 1000 */
  resolutionMs?: number;
  /** @default 512 */
  panesMax?: number;
}

/** Compiles a pipeline's features. `resolutionMs` is how sharply windows see time, `panesMax` bounds the state of an entity. */
export function compileFeatures(
  pipeline: AnyPipeline,
  { resolutionMs = 1_000, panesMax = 512 }: PlanOptions = {},
): FeaturePlan {
  if (!Number.isSafeInteger(resolutionMs) || resolutionMs < 1)
    throw new RangeError('resolutionMs must be a whole number from 1');
  if (!Number.isSafeInteger(panesMax) || panesMax < 4) throw new RangeError('panesMax must be a whole number from 4');
  const features = Object.entries(pipeline.features);
  const plan: FeaturePlan = {
    names: features.map(([name]) => name),
    inputs: [],
    valueColumns: [],
    groups: [],
    allowedLatenessMs: pipeline.allowedLatenessMs,
  };
  features.forEach(([name, feature], column) => {
    if (feature.kind !== 'value') return;
    plan.inputs.push({ name: `features.${name}`, read: (event) => feature.of(event as never) });
    plan.valueColumns.push(column);
  });
  Object.keys(pipeline.entities).forEach((entity, entityIndex) => {
    const windowed = features.flatMap(([, feature], column) =>
      feature.kind === 'window' && feature.entity === entity ? [{ feature, column }] : [],
    );
    if (windowed.length === 0) return;
    const inputFrom = plan.inputs.length;
    const fields = fieldsOf(windowed.map(({ feature }) => feature));
    plan.inputs.push(...fields.map(({ name, read }) => ({ name: `field ${name}`, read })));
    const fieldNames = fields.map(({ name }) => name);
    plan.groups.push({
      entity,
      entityIndex,
      inputFrom,
      layout: {
        fieldCount: fields.length,
        resolutionMs,
        panesMax,
        // An event that is late, but not too late, must still find the panes of its own windows.
        retentionMs:
          Math.max(...windowed.map(({ feature }) => feature.delayMs + feature.lengthMs)) +
          roundUp(pipeline.allowedLatenessMs, resolutionMs),
      },
      layoutId: `${entity}(${fieldNames.join(',')})@${resolutionMs}`,
      windows: windowsOf(windowed, fieldNames),
    });
  });
  return plan;
}

/** The distinct fields of some windows. Windows that name the same field share its sums, and the first one reads it. */
function fieldsOf(features: readonly WindowFeature<never>[]): { name: string; read: (event: unknown) => number }[] {
  const fields = new Map<string, { name: string; read: (event: unknown) => number }>();
  for (const { aggregate, of } of features) {
    if (aggregate === 'count' || !of || fields.has(of.name)) continue;
    fields.set(of.name, { name: of.name, read: (event) => of.read(event as never) });
  }
  return [...fields.values()];
}

/** The distinct windows, each with the columns it fills. */
function windowsOf(
  windowed: readonly { feature: WindowFeature<never>; column: number }[],
  fieldNames: readonly string[],
): Window[] {
  const windows = new Map<string, Window>();
  for (const { feature, column } of windowed) {
    const { delayMs, lengthMs, aggregate, of } = feature;
    const key = `${delayMs}+${lengthMs}`;
    const window = windows.get(key) ?? { delayMs, lengthMs, outputs: [] };
    window.outputs.push({ column, aggregate, field: aggregate === 'count' ? -1 : fieldNames.indexOf(of!.name) });
    windows.set(key, window);
  }
  return [...windows.values()];
}

function roundUp(value: number, step: number): number {
  return Math.ceil(value / step) * step;
}
