#!/bin/sh
# Regenerates generated/inference.ts from proto/inference.proto with buf (the compiler) and ts-proto (the TypeScript generator), both
# development dependencies. Needs no protoc and no network. Run it from anywhere.
set -eu
cd "$(dirname "$0")"
bin="$(node -p "require('node:path').dirname(require('node:path').dirname(require.resolve('ts-proto/package.json')))")/.bin"

# env=node is left out on purpose: it would copy every bytes field on decoding. Enums as literals keep the file free of TypeScript-only
# run-time syntax; maps as Map keep a parameter called __proto__ harmless.
options='outputServices=grpc-js,outputClientImpl=false,esModuleInterop=true,importSuffix=.ts,forceLong=bigint,oneof=unions,useMapType=true,enumsAsLiterals=true,outputJsonMethods=false,outputPartialMethods=false,useExactTypes=false'
template="$(printf '{"version":"v2","plugins":[{"local":"%s","out":"generated","opt":"%s"}]}' "$bin/protoc-gen-ts_proto" "$options")"

"$bin/buf" generate proto --template "$template"
