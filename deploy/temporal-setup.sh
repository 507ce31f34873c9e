#!/bin/sh
# Makes the namespace and the search attributes that Headrace needs, once; what is there stays as it is.
# Needs TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE and RETENTION, which must not be below the topics' retention.
set -eu

namespace="$TEMPORAL_NAMESPACE"

if ! temporal operator namespace describe --namespace "$namespace" >/dev/null 2>&1; then
  temporal operator namespace create --namespace "$namespace" --retention "$RETENTION"
fi

# The new namespace is known everywhere in the cluster after some seconds.
tries=0
until existing=$(temporal operator search-attribute list --namespace "$namespace" 2>/dev/null); do
  tries=$((tries + 1))
  if [ "$tries" -ge 60 ]; then
    echo "namespace $namespace does not answer; look at the log of temporal" >&2
    exit 1
  fi
  sleep 1
done

ensure() {
  if ! echo "$existing" | grep -qw "$1"; then
    temporal operator search-attribute create --namespace "$namespace" --name "$1" --type "$2"
  fi
}

ensure HeadracePipeline Keyword
ensure HeadraceModelVersion Keyword
ensure HeadraceOutcomes KeywordList
ensure HeadraceEventCount Int
ensure HeadraceRejectedCount Int
ensure HeadraceEventTimeMin Datetime
ensure HeadraceEventTimeMax Datetime
ensure HeadraceReviewStatus Keyword
