# Bridge, worker, gateway and simulator in one image; the command says which: node --import tsx worker/main.ts
# Unproven: no Docker was at hand where this was written. A test checks that every folder the programs import is copied.

FROM node:20-bookworm-slim AS packages
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
COPY inference-client/package.json inference-client/package.json
# Not stack/: the embedded servers and their libraries are for npm start and for the tests.
RUN npm install --no-save --omit=dev --include-workspace-root --workspace inference-client && npm cache clean --force

FROM node:20-bookworm-slim
# The authorities of Temporal Cloud, Confluent Cloud and the like.
RUN apt-get update && apt-get install --yes --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/*
ENV NODE_ENV=production
WORKDIR /app
COPY --from=packages /app/node_modules node_modules
COPY package.json tsconfig.json index.ts LICENSE ./
COPY inference-client inference-client
COPY contracts contracts
COPY lib lib
COPY kafka kafka
COPY temporal temporal
COPY database database
COPY pipelines pipelines
COPY features features
COPY lake lake
COPY ledger ledger
COPY status status
COPY process process
COPY scoring scoring
COPY reviews reviews
COPY sinks sinks
COPY activities activities
COPY workflows workflows
COPY bridge bridge
COPY worker worker
COPY gateway gateway
COPY deploy deploy
RUN mkdir /data && chown node:node /data
VOLUME /data
USER node
ENV HEADRACE_DATA_DIR=/data MALLOC_ARENA_MAX=2
CMD ["node", "--import", "tsx", "worker/main.ts"]
