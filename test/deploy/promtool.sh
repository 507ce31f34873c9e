#!/bin/sh
# Prints the path of promtool: the one in PATH, else Debian's, unpacked into the cache without installing it.
#
#   HEADRACE_CACHE_DIR   where to put it. Default: .headrace/cache in the repository
set -eu

if command -v promtool; then exit 0; fi
repository="$(cd "$(dirname "$0")/../.." && pwd)"
cache="${HEADRACE_CACHE_DIR:-$repository/.headrace/cache}/promtool"
if [ -x "$cache/usr/bin/promtool" ]; then echo "$cache/usr/bin/promtool"; exit 0; fi
command -v apt-get >/dev/null 2>&1 || { echo "no promtool in PATH, and no apt-get to fetch Debian's package \"prometheus\"" >&2; exit 1; }
draft="$(mktemp -d)"
trap 'rm -rf "$draft"' EXIT
cd "$draft"
apt-get download prometheus >log 2>&1 || { apt-get update >>log 2>&1 && apt-get download prometheus >>log 2>&1; } || { tail -n 3 log >&2; exit 1; }
mkdir -p root "$(dirname "$cache")"
dpkg -x prometheus_*.deb root
# In one step, so that nobody finds half of it.
mv root "$cache" 2>/dev/null || [ -x "$cache/usr/bin/promtool" ]
echo "$cache/usr/bin/promtool"
