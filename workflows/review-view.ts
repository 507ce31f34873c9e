import {
  commentLengthMax,
  reviewerLengthMax,
  type ReviewInput,
  type ReviewState,
  type VerdictInput,
} from '../contracts/review.ts';

/** What the Web UI shows of a review: the pipeline's own title, and nothing else that could be personal (no reviewer, no entity). */
export function reviewDetails({ title, pipeline, outcome, why, verdicts }: ReviewInput, state: ReviewState): string {
  const rows: [string, string][] = [
    ['about', title],
    ['pipeline', pipeline],
    ['decision', `${outcome}: ${why}`],
    ['status', state.status],
    ['opened', timeText(state.openedAtMs)],
    ['due', timeText(state.dueAtMs)],
  ];
  if (state.escalatedAtMs !== undefined) rows.push(['escalated', timeText(state.escalatedAtMs)]);
  if (state.accepted) rows.push(['verdict', `${state.accepted.verdict}, ${timeText(state.accepted.decidedAtMs)}`]);
  else rows.push(['possible verdicts', verdicts.join(', ')]);
  return ['| | |', '| --- | --- |', ...rows.map(([name, text]) => `| ${name} | ${cell(text)} |`)].join('\n');
}

/** Why a message is no verdict; undefined when it is one. Messages come from anywhere, so nothing about their shape is trusted. */
export function verdictProblem(message: VerdictInput | undefined, verdicts: readonly string[]): string | undefined {
  if (typeof message !== 'object' || message === null)
    return 'a verdict is an object { verdict, reviewer, comment?, id? }';
  const { id, verdict, reviewer, comment } = message;
  if (!verdicts.includes(verdict)) return `verdict must be one of ${verdicts.join(', ')}`;
  if (typeof reviewer !== 'string' || reviewer.trim() === '' || reviewer.length > reviewerLengthMax) {
    return `reviewer must be a name of 1 to ${reviewerLengthMax} characters`;
  }
  if (comment !== undefined && (typeof comment !== 'string' || comment.length > commentLengthMax)) {
    return `comment must be a text of at most ${commentLengthMax} characters`;
  }
  if (id !== undefined && (typeof id !== 'string' || id === '' || id.length > reviewerLengthMax))
    return 'id must be a short text';
  return undefined;
}

function timeText(timeMs: number): string {
  return `${new Date(timeMs).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}

/** A title must not break out of its table cell. */
function cell(text: string): string {
  return text.replaceAll(/\s+/g, ' ').replaceAll('|', '\\|');
}
