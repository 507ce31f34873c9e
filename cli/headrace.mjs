#!/usr/bin/env node
// Runs the command line from its TypeScript source, in this very process, so that signals need no forwarding.
import { install, isInstalled } from '../stack/first-start/install.mjs';
import { makeReady } from '../stack/first-start/make-ready.mjs';

function refuse(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}

const print = (text) => process.stdout.write(`${text}\n`);
const [command, ...args] = process.argv.slice(2);
try {
  if (command === 'up' && !args.includes('--help') && !args.includes('-h')) await makeReady(process.env, print);
  else if (command === 'up' && !isInstalled()) await install(process.env, print);
  else if (!isInstalled())
    refuse(
      'the npm packages of Headrace are not installed, or not those of this version: run npm install (npm start does it by itself)',
    );
} catch (error) {
  refuse(error.message);
}

const { register } = await import('tsx/esm/api');
register();
await import('./main.ts');
