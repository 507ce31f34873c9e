import type { PipelineCount } from '../kafka/topic-counts.ts';

/** Numbers that live in Postgres and Kafka, read when somebody asks. */
export interface GaugeSources {
  /** Decisions by pipeline and outcome. */
  decisions(): Promise<{ pipeline: string; outcome: string; decisions: number }[]>;
  /** Open and escalated reviews, by pipeline. */
  openReviews(): Promise<{ pipeline: string; count: number }[]>;
  /** Reviews that wait to be opened, by pipeline. */
  waitingReviews(): Promise<{ pipeline: string; count: number }[]>;
  /** Dead letters in their topics, by pipeline. */
  deadLetters(): Promise<PipelineCount[]>;
}
