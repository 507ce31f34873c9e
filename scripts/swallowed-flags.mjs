// `npm start --reset --rate 500` keeps the flags for npm itself and passes only `500` on. This finds what was swallowed.

/** Flags of `headrace up` by the variable that npm puts them in. `yes` and `verbose` mean something to npm too. */
const flags = [
  { name: 'reset', takesValue: false },
  { name: 'rate', takesValue: true },
  { name: 'events', takesValue: true },
  { name: 'pipeline', takesValue: true },
  { name: 'pipelines', takesValue: true },
  { name: 'models', takesValue: true },
  { name: 'disk-max', takesValue: true },
  { name: 'data-dir', takesValue: true },
  { name: 'free-ports', takesValue: false },
  { name: 'generator', takesValue: false, negated: true },
];
const alsoNpms = [{ name: 'yes', takesValue: false }];

/** npm takes a flag it does not know for a switch, and its value for an argument. */
const lostItsValue = ({ takesValue }, value) => takesValue && (value === 'true' || value === '');

function spell({ name, takesValue, negated }, argument) {
  if (negated) return [`--no-${name}`];
  return !takesValue || argument === undefined ? [`--${name}`] : [`--${name}`, argument];
}

/**
 * The arguments that were meant; undefined when npm swallowed nothing.
 * @param env environment of a script that npm runs
 * @param args what did arrive
 */
export function swallowedFlags(env, args) {
  const variable = ({ name }) => `npm_config_${name.replaceAll('-', '_')}`;
  const swallowed = flags.filter((flag) => env[variable(flag)] !== undefined);
  if (swallowed.length === 0) return undefined;
  const leftovers = args.filter((argument) => !argument.startsWith('-'));
  const without = swallowed.filter((flag) => lostItsValue(flag, env[variable(flag)]));
  // In which order they were typed npm does not tell: which value belongs to which flag can only be told of one.
  if (without.length > 1) leftovers.length = 0;
  const valueOf = (flag) =>
    !without.includes(flag) ? env[variable(flag)] : without.length > 1 ? `<${flag.name}>` : leftovers.shift();
  const meant = [...swallowed, ...alsoNpms.filter((flag) => env[variable(flag)] === 'true')].flatMap((flag) =>
    spell(flag, valueOf(flag)),
  );
  return [...meant, ...args.filter((argument) => argument.startsWith('-')), ...leftovers];
}

/** The message that refuses them. */
export function describeSwallowed(script, meant) {
  const quote = (text) => (/^([\w./:@=+-]+|<[\w-]+>)$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);
  return `npm kept flags that were meant for Headrace. Put them behind two dashes:\n  ${script} -- ${meant.map(quote).join(' ')}`;
}
