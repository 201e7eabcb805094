#!/usr/bin/env bash
# Type-checks and tests the dashboard's modules with TypeScript and Node's own test runner.
set -eu
cd "$(dirname "$0")/.."
if ! command -v node >/dev/null || [ ! -x node_modules/.bin/tsc ]; then
  echo "SKIPPED: static/ is not checked, for node or TypeScript is missing" >&2
  [ "${CI:-}" = true ] && exit 1
  exit 0
fi
node_modules/.bin/tsc --project static/jsconfig.json
node --test tests/static/
