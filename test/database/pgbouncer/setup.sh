#!/bin/sh
# Gets Debian's PgBouncer, and the libraries of its that this machine lacks, without installing anything. Safe to run again.
#
#   HEADRACE_CACHE_DIR   where to put it; the program is <that>/pgbouncer/root/usr/sbin/pgbouncer. Default: .headrace/cache in the repository
set -eu

repository="$(cd "$(dirname "$0")/../../.." && pwd)"
folder="${HEADRACE_CACHE_DIR:-$repository/.headrace/cache}/pgbouncer"
say() { echo "pgbouncer setup: $*" >&2; }

if [ -x "$folder/root/usr/sbin/pgbouncer" ]; then say "already there: $folder"; exit 0; fi
if ! command -v apt-get >/dev/null 2>&1 || ! command -v dpkg >/dev/null 2>&1; then say 'no apt-get and dpkg here; install pgbouncer so that it is on the PATH'; exit 1; fi
own="$folder.$$"
trap 'rm -rf "$own"' EXIT
trap 'exit 130' INT TERM
mkdir -p "$own/deb/partial" "$own/root"
get() { apt-get install -qq -y --no-install-recommends --download-only -o "Dir::Cache::archives=$own/deb/" -o Debug::NoLocking=1 -o Acquire::Retries=2 pgbouncer; }
# The lists of a fresh machine are empty, or name versions that are gone.
if ! get >"$own/log" 2>&1; then
  apt-get update -qq >>"$own/log" 2>&1 || true
  get >>"$own/log" 2>&1 || { cat "$own/log" >&2; say 'apt-get cannot get it'; exit 1; }
fi
for package in "$own"/deb/*.deb; do
  case "$(basename "$package")" in pgbouncer_* | lib*) dpkg -x "$package" "$own/root" ;; esac
done
[ -x "$own/root/usr/sbin/pgbouncer" ] || { say 'the package has no usr/sbin/pgbouncer'; exit 1; }
rm -rf "$own/deb" "$folder"
mv "$own" "$folder"
say "done: $folder"
