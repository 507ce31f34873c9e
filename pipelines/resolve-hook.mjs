// Lets a pipeline file outside this repository import `headrace` and `zod` without installing them beside it, and be an ES
// module without a package.json that says so.
let root;
let folder;

export async function initialize(data) {
  root = data.root;
  folder = data.folder;
}

export async function resolve(specifier, context, nextResolve) {
  const ours = specifier === 'headrace' || specifier === 'zod' || specifier.startsWith('zod/');
  const resolved = await nextResolve(specifier, ours ? { ...context, parentURL: root } : context);
  return resolved.url.startsWith(folder) && /\.[tj]s($|\?)/.test(resolved.url) ? { ...resolved, format: 'module' } : resolved;
}
