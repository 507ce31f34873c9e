/** The command that re-drives a batch which ended without completing: the Temporal reset that loses nothing and doubles nothing. */
export function redriveCommand(workflowId: string): string {
  return `npx headrace redrive ${workflowId}`;
}
