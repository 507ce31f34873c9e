/** Where people look at a run: the Temporal Web UI. */
export interface LinkOptions {
  uiUrl: string;
  namespace: string;
}

/** Address of a workflow in the Web UI. */
export function workflowUrl({ uiUrl, namespace }: LinkOptions, workflowId: string): string {
  return `${uiUrl.replace(/\/$/, '')}/namespaces/${encodeURIComponent(namespace)}/workflows/${encodeURIComponent(workflowId)}`;
}

/** Path of a review in this gateway. */
export function reviewPath(id: string): string {
  return `/v1/reviews/${encodeURIComponent(id)}`;
}
