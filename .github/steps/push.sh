#!/usr/bin/env bash
# Pushes the images that this clone has built into STACK's repositories, and waits for what ECR's scan finds: a critical or
# high finding ends it, and nothing refers to the image yet. IMAGE and EDGE name other images than the built ones.
set -euo pipefail
[ -x .venv/bin/python ] || { echo "this clone is not prepared: run make up first" >&2; exit 1; }
built=$(.venv/bin/python -m offline.images.build web-next nginx)
image=${IMAGE:-$(awk '$1 == "web-next" { print $2 }' <<<"$built")}
edge=${EDGE:-$(awk '$1 == "nginx" { print $2 }' <<<"$built")}
pushed=$(.venv/bin/python -m cutover image push -s "$STACK" "$image" --edge "$edge" ${VERSION:+--tag "$VERSION"} |
  tee >(cat >&2) | grep -o '[^ ]*@sha256:[0-9a-f]*')
for name in $pushed; do
  repository=${name#*/}
  scan=(--repository-name "${repository%@*}" --image-id "imageDigest=${name#*@}")
  aws ecr wait image-scan-complete "${scan[@]}"
  # shellcheck disable=SC2016 # the backticks are JMESPath's
  found=$(aws ecr describe-image-scan-findings "${scan[@]}" --output text --query 'imageScanFindings.[
    findings[?severity==`CRITICAL` || severity==`HIGH`].name,
    enhancedFindings[?severity==`CRITICAL` || severity==`HIGH`].title][] | []')
  [ "$found" != None ] || { echo "ECR does not say what it has found in $name: look at its scan" >&2 && exit 1; }
  [ -z "$found" ] || { echo "$name has what ECR calls critical or high: $found; mend the image and push it anew" >&2 && exit 1; }
done
{ read -r app && read -r nginx; } <<<"$pushed"
printf 'app=%s\nrepository=%s\ndigest=%s\nedge=%s\n' "$app" "${app%@*}" "${app#*@}" "$nginx" | tee -a "${GITHUB_OUTPUT:-/dev/null}"
