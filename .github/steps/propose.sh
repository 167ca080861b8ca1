#!/bin/sh
# Opens the change that sets a release into STACK's file: APP and EDGE by digest, BUILD_SHA and VERSION. A person merges it.
set -eu
# sed would read what is written into the file as its own: & and | mean something to it, and so does an e behind them.
like() {
  [ "$(printf '%s' "$2" | tr '\n' '|' | grep -Ecx "$3")" = 1 ] || { echo "$1 is '$2': it must be $4" >&2; exit 1; }
}
like STACK "${STACK:-}" '[a-z][a-z0-9-]*' "a stack's name"
like VERSION "${VERSION:-}" '[0-9]+\.[0-9]+\.[0-9]+' 'three numbers, such as 1.5.2'
like BUILD_SHA "${BUILD_SHA:-}" '[0-9a-f]{7,40}' 'a commit'
like APP "${APP:-}" '[a-z0-9][a-z0-9._:/-]*@sha256:[0-9a-f]{64}' 'repository@sha256:…'
like EDGE "${EDGE:-}" '[a-z0-9][a-z0-9._:/-]*@sha256:[0-9a-f]{64}' 'repository@sha256:…'
command -v gh >/dev/null || { echo "gh is not on PATH: install GitHub's CLI and log in" >&2; exit 1; }
branch="release/$STACK-$VERSION"
git switch --create "$branch"
sed -i \
  -e "s|^\(  web-next:image: \).*|\1$APP|" \
  -e "s|^\(    image: \).*|\1$EDGE|" \
  -e "s|^\(  web-next:buildSha: \).*|\1\"$BUILD_SHA\"|" \
  -e "s|^\(  web-next:version: \).*|\1$VERSION|" \
  "Pulumi.$STACK.yaml"
# A runner has nobody's name: the commit is of the bot that pushes it.
git -c user.name='github-actions[bot]' -c user.email='41898282+github-actions[bot]@users.noreply.github.com' \
  commit --quiet --message "$STACK is to run $VERSION, built from $BUILD_SHA" "Pulumi.$STACK.yaml"
gh auth setup-git
git push --quiet origin "$branch"
gh pr create --head "$branch" --fill
