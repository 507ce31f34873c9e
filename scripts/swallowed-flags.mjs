// `npm start --reset --rate 500` keeps the flags for npm itself and passes only `500` on. This finds what was swallowed.

/** Flags of `headrace up` by the variable that npm puts them in. `yes` and `verbose` mean something to npm too. */
const flags = [
  { name: 'reset', takesValue: false }, { name: 'rate', takesValue: true }, { name: 'events', takesValue: true },
  { name: 'pipeline', takesValue: true }, { name: 'pipelines', takesValue: true }, { name: 'models', takesValue: true },
  { name: 'disk-max', takesValue: true }, { name: 'data-dir', takesValue: true }, { name: 'free-ports', takesValue: false }, { name: 'generator', takesValue: false, negated: true },
];
const alsoNpms = [{ name: 'yes', takesValue: false }];

function spell({ name, takesValue, negated }, value, leftovers) {
  if (negated) return [`--no-${name}`];
  if (!takesValue) return [`--${name}`];
  // npm takes a flag it does not know for a switch, and its value for an argument.
  const argument = value === 'true' || value === '' ? leftovers.shift() : value;
  return argument === undefined ? [`--${name}`] : [`--${name}`, argument];
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
  const meant = [...swallowed, ...alsoNpms.filter((flag) => env[variable(flag)] === 'true')].flatMap((flag) => spell(flag, env[variable(flag)], leftovers));
  return [...meant, ...args.filter((argument) => argument.startsWith('-')), ...leftovers];
}

/** The message that refuses them. */
export function describeSwallowed(script, meant) {
  const quote = (text) => (/^[\w./:@=+-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);
  return `npm kept flags that were meant for Headrace. Put them behind two dashes:\n  ${script} -- ${meant.map(quote).join(' ')}`;
}
