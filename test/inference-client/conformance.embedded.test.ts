import { rm } from 'node:fs/promises';
import { startModelServer } from '../../stack/model-server/server.ts';
import { describeConformance } from './conformance.ts';
import { copyRepository } from './support/servers.ts';

describeConformance('conformance of the embedded model server', async () => {
  const repositoryFolder = await copyRepository();
  const server = await startModelServer({ repositoryFolder, port: 0 });
  return {
    address: server.address,
    repositoryFolder,
    async stop() {
      await server.close();
      await rm(repositoryFolder, { recursive: true, force: true });
    },
  };
});
