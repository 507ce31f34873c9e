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
}

/** Offsets `[from, to)` of a partition of the dead-letter topic, which is yet to be looked through. */
export interface LettersSpan {
  partition: number;
  from: number;
  to: number;
}

/** How far a run has come that goes on as a new one, so that no history grows without bound. */
export interface ResumeProgress {
  left: LettersSpan[];
  reports: ReadAgainReport[];
}

/** What one page of dead letters asks for. */
export interface ReadAgainPage {
  /** One for each partition that was asked for. */
  plans: ReadAgainPlan[];
  /** Absent = this was the last page. */
  left?: LettersSpan[];
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

/** One step reads again so many records at most, because a try that fails may have copied some and copies them again. */
const partMax = 500;
/** Looking through more records than this for the next wanted one costs more than beginning to read anew. */
const gapMax = 10_000;
/** And so many records at most are looked through in one step. */
const spanMax = 100_000;

/** Cuts ascending offsets into parts that are each read in one go. */
export function partsOf(offsets: readonly number[]): number[][] {
  const parts: number[][] = [];
  for (const offset of offsets) {
    const part = parts.at(-1);
    if (part && part.length < partMax && offset - part.at(-1)! <= gapMax && offset - part[0]! < spanMax)
      part.push(offset);
    else parts.push([offset]);
  }
  return parts;
}

/** Id of the run that resumes a pipeline: one at a time. */
export function resumeWorkflowId(deployment: string, pipeline: string): string {
  return `resume:${deployment}:${pipeline}`;
}

/** Header of a record that was read again: the event key of the refused one. */
export const readAgainHeader = 'headrace-read-again';
