#!/usr/bin/env bash
# The playbook's spelling of looking on (row 8): scripts/health-check.sh [--tail 30m]. STACK names the base, prod where it
# is not set.
set -euo pipefail
cd "$(dirname "$0")/.."
if [[ ${1-} == --tail ]]; then
  exec cutover status -s "${STACK:-prod}" --wait "${2:?--tail needs a duration, such as 30m}"
fi
exec cutover status -s "${STACK:-prod}" "$@"
