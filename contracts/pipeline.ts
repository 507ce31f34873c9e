/**
 * The declared form of a pipeline: what a user writes (through `definePipeline`) and what every process reads.
 * `E` is the event as its schema gives it back.
 */
export interface Pipeline<E = never> {
  /** Lower-case name; part of every event key and of topic names. */
  name: string;
  /** `chains`: in how many chains its partitions are batched, side by side; see `ChainRef`. */
  topic: { name: string; partitions: number; chains: number };
  /** What a record's JSON value must be, and what it becomes: an object, of which every sink stores the JSON. */
  event: EventSchema<E>;
  /** The producer's own id of the event. */
  eventId(event: E): string;
  /** When it happened, milliseconds since 1970. */
  eventTimeMs(event: E): number;
  /** Who and what the event is about: windows are kept per entity. The first one is the Kafka key of the decisions topic. */
  entities: Record<string, (event: E) => string>;
  /** The model's inputs, in column order. */
  features: Record<string, Feature<E>>;
  /** Events older than the partition's watermark by more than this are predicted but not folded into windows. */
  allowedLatenessMs: number;
  /** Events that claim to happen later than the clock (the broker's for LogAppendTime, else the bridge's) by more than this are refused. */
  allowedAheadMs: number;
  model: Model<E>;
  /** Every outcome that `decide` may return. */
  outcomes: readonly string[];
  decide(input: DecideInput<E>): { outcome: string; why: string };
  sinks: readonly SinkBinding<E>[];
  review?: ReviewPolicy<E>;
}

/** What Headrace asks of a schema. A schema of zod has it, and `definePipeline` makes it of any other that follows Standard Schema. */
export interface EventSchema<E> {
  /** Must answer at once, and the same each time: a batch is decoded again when a worker takes it over. */
  safeParse(value: unknown): { success: true; data: E } | { success: false; error: { issues: readonly SchemaIssue[] } };
}

/** Why a value does not fit. The message must not quote it. */
export interface SchemaIssue {
  path: PropertyKey[];
  message: string;
  code: string;
}

/** A pipeline whose event type does not matter to the reader, which is most readers. */
export type AnyPipeline = Pipeline<any>;

/** A number taken from the event itself, or an aggregate over a sliding window of earlier events of one entity (this one included). */
export type Feature<E> = ValueFeature<E> | WindowFeature<E>;

export interface ValueFeature<E> {
  kind: 'value';
  of(event: E): number;
}

export interface WindowFeature<E> {
  kind: 'window';
  /** A name of `entities`. */
  entity: string;
  aggregate: 'count' | 'sum' | 'mean';
  /** What is added up; needed for sum and mean. Two windows that add up the same thing share its name. */
  of?: { name: string; read(event: E): number };
  /** The window covers `(t - delay - length, t - delay]` of event time. */
  lengthMs: number;
  delayMs: number;
}

export interface Model<E> {
  name: string;
  /** A version folder of the model repository; absent = the newest that the server has ready. */
  version?: string;
  /** The name of the input tensor: FP32 or FP64, as many numbers a row as there are features. It must be the only one that the model needs. */
  input: string;
  /** Output tensors and how many numbers each has per row, all its dimensions together. Numbers of any type; integers to 2^24. */
  outputs: Record<string, number>;
  /** Returns in the model's place while it is unavailable or missing; decisions are then marked `degraded`. Absent = wait for the model. */
  fallback?(input: { event: E; features: Record<string, number> }): Prediction;
}

/** One number per output of width 1, else an array. */
export type Prediction = Record<string, number | number[]>;

export interface DecideInput<E> {
  event: E;
  features: Record<string, number>;
  prediction: Prediction;
  /** True when the declared fallback stood in for the model. */
  degraded: boolean;
}

export interface SinkBinding<E> {
  /** A name of the sink registry. */
  sink: string;
  /** Which decisions go there; absent = all. */
  when?(decided: DecideInput<E> & { outcome: string; why: string }): boolean;
}

export interface ReviewPolicy<E> {
  /** What a reviewer may answer. */
  verdicts: readonly string[];
  /** How long a review stays open before it escalates. */
  timeoutMs: number;
  /** One line that tells the reviewer what this is about. */
  title(event: E): string;
  /** Reviews that may be open at once: what the reviewers can look at. The others wait. @default 1000 */
  openMax?: number;
  /** What it is worth to look at this one: of those that wait, the highest are opened first. @default all the same, oldest first */
  value?(decided: DecideInput<E> & { outcome: string; why: string }): number;
}
