#!/usr/bin/env node
// Runs the command line from its TypeScript source, in this very process, so that signals need no forwarding.
import { register } from 'tsx/esm/api';

register();
await import('./main.ts');
