import type { Connection } from '@temporalio/client';

/** Kinds of search attribute that Temporal knows, as its command line spells them. */
export type SearchAttributeKind = 'Text' | 'Keyword' | 'Int' | 'Double' | 'Bool' | 'Datetime' | 'KeywordList';

/** Attributes by name. */
export type SearchAttributeKinds = Record<string, SearchAttributeKind>;

/** Numbers of the kinds in the protocol. */
const kindNumbers: Record<SearchAttributeKind, number> = { Text: 1, Keyword: 2, Int: 3, Double: 4, Bool: 5, Datetime: 6, KeywordList: 7 };

/** Adds what the namespace does not know yet. Needs the operator service, which Temporal Cloud does not offer. */
export async function addSearchAttributes(connection: Connection, namespace: string, wanted: SearchAttributeKinds): Promise<void> {
  const known = (await connection.operatorService.listSearchAttributes({ namespace })).customAttributes ?? {};
  const missing = Object.entries(wanted).filter(([name]) => known[name] === undefined);
  if (missing.length === 0) return;
  await connection.operatorService.addSearchAttributes({
    namespace, searchAttributes: Object.fromEntries(missing.map(([name, kind]) => [name, kindNumbers[kind]])),
  });
}

/**
 * Resolves when the namespace takes a query that names all attributes, and rejects when it does not. The query goes
 * through the caches that workflow starts use; describing a namespace does not.
 */
export async function querySearchAttributes(connection: Connection, namespace: string, wanted: SearchAttributeKinds): Promise<void> {
  const query = Object.keys(wanted).map((name) => `\`${name}\` is null`).join(' and ');
  await connection.workflowService.countWorkflowExecutions({ namespace, query });
}
