#!/bin/sh
# Makes the Python environment of the tests that need NVIDIA's own code: the real tritonserver (inside PyPI's nvidia-pytriton) and the real
# client (tritonclient). About 470 MB, half a minute on a fast line. Safe to run again and from several processes at once.
#
#   HEADRACE_CACHE_DIR   where to put it; the environment is <that>/triton/venv. Default: .headrace/cache in the repository
#   PYTHON               the Python to build it with, 3.8 to 3.13. Default: python3
set -eu

repository="$(cd "$(dirname "$0")/../../.." && pwd)"
cache="${HEADRACE_CACHE_DIR:-$repository/.headrace/cache}/triton"
python="${PYTHON:-python3}"
packages='nvidia-pytriton==0.7.0 tritonclient[grpc]==2.73.0 onnxruntime==1.31.1 onnx==1.23.2'
finished="$cache/venv/headrace-packages"
lock="$cache/lock"

say() { echo "triton setup: $*" >&2; }
is_finished() { [ -f "$finished" ] && [ "$(cat "$finished")" = "$packages" ]; }

if is_finished; then say "already there: $cache/venv"; exit 0; fi
command -v "$python" >/dev/null 2>&1 || { say "no $python here; install Python 3.8 to 3.13 with venv and pip, or name one in PYTHON"; exit 1; }
mkdir -p "$cache"

# One process builds, the others wait for it: at most ten minutes, and not at all for a builder that is gone.
waited=0
until mkdir "$lock" 2>/dev/null; do
  holder="$(cat "$lock/pid" 2>/dev/null || true)"
  if [ -n "$holder" ] && ! kill -0 "$holder" 2>/dev/null; then rm -rf "$lock"; continue; fi
  [ "$waited" -lt 600 ] || { say "waited 10 minutes for process ${holder:-?} to finish; remove $lock if it hangs"; exit 1; }
  [ $((waited % 15)) -ne 0 ] || say "waiting for process ${holder:-?}, which is building it ($waited s)"
  sleep 1
  waited=$((waited + 1))
done
echo $$ >"$lock/pid"
trap 'rm -rf "$lock"' EXIT
trap 'exit 130' INT TERM
if is_finished; then say "already there: $cache/venv"; exit 0; fi

say "1/3 Python environment in $cache/venv"
rm -rf "$cache/venv"
"$python" -m venv "$cache/venv"

say "2/3 packages: $packages (about 470 MB on disk)"
# shellcheck disable=SC2086  # A list of words on purpose.
"$cache/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --retries 2 --timeout 20 $packages

say "3/3 the Python backend's helper for this Python version"
server="$("$cache/venv/bin/python" -c 'import importlib.util, pathlib; print(pathlib.Path(importlib.util.find_spec("pytriton").origin).parent / "tritonserver")')"
minor="$("$cache/venv/bin/python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
cp "$server/python_backend_stubs/$minor/triton_python_backend_stub" "$server/backends/python/triton_python_backend_stub"
chmod +x "$server/backends/python/triton_python_backend_stub" "$server/bin/tritonserver"

printf '%s' "$packages" >"$finished"
say "done: $cache/venv"
