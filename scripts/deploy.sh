#!/usr/bin/env bash
# The playbook's spelling of the rollout's verbs (row 8): scripts/deploy.sh --canary|--staged|--production|--finish|--rollback
# [--wait 30m]. STACK names the base, prod where it is not set; all else goes to cutover as it is.
set -euo pipefail
cd "$(dirname "$0")/.."
case "${1-}" in
  --canary | --staged | --production | --finish | --rollback) verb="${1#--}" ;;
  *)
    echo "deploy.sh: '${1-}' is no phase: --canary, --staged, --production, --finish or --rollback comes first" >&2
    exit 2
    ;;
esac
exec cutover "$verb" -s "${STACK:-prod}" "${@:2}"
