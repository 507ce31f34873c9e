// Lets a pipeline file outside this repository import `headrace` and `zod` without installing them beside it, and be an ES
// module without a package.json that says so. A zod that is installed beside it, of whatever version, is the one that it means.
let root;
let folder;

export async function initialize(data) {
  root = data.root;
  folder = data.folder;
}

export async function resolve(specifier, context, nextResolve) {
  const ours = () => nextResolve(specifier, { ...context, parentURL: root });
  const isZod = specifier === 'zod' || specifier.startsWith('zod/');
  const resolved = await (specifier === 'headrace'
    ? ours()
    : isZod
      ? nextResolve(specifier, context).catch(ours)
      : nextResolve(specifier, context));
  return resolved.url.startsWith(folder) && /\.[tj]s($|\?)/.test(resolved.url)
    ? { ...resolved, format: 'module' }
    : resolved;
}
