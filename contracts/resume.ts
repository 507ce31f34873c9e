/** What somebody asks of a pipeline that was halted by what it refuses, or was so earlier. */
export interface ResumeInput {
  deployment: string;
  pipeline: string;
  /** Empty = all. */
  partitions: number[];
  /** Read again what was refused from this offset on. Absent = let the refusals go into dead letters. */
  from?: number | undefined;
}

export interface ResumeReport {
  /** Partitions whose refusals are right until they accept an event. */
  tolerated?: number[];
  readAgain?: ReadAgainReport[];
  /** There is more to read again than one run takes. */
  more?: true;
}

/** Refused records of one partition that are wanted again. */
export interface ReadAgainPlan {
  partition: number;
  /** Ascending. */
  offsets: number[];
  /** Retention has deleted so many others. */
  gone: number;
  /** From here on nothing was decided yet: a batch waits there, or nothing is. Null where the partition was never begun. */
  decidedTo: number | null;
}

/** What became of some of them. */
export interface ReadAgainPart {
  /** So many were written to the end of their partition. */
  copied: number;
  /** The topic does not hold them any more. */
  gone: number;
  /** The pipeline, as the worker has it now, refuses them as before: they keep their dead letters. */
  refused: number;
  example?: { offset: number; code: string; reason: string };
}

export type ReadAgainReport = ReadAgainPart & Omit<ReadAgainPlan, 'offsets'>;

/** Id of the run that resumes a pipeline: one at a time. */
export function resumeWorkflowId(deployment: string, pipeline: string): string {
  return `resume:${deployment}:${pipeline}`;
}

/** Header of a record that was read again: the event key of the refused one. */
export const readAgainHeader = 'headrace-read-again';
