#!/bin/sh
# Opens the change that sets a release into STACK's file: APP and EDGE by digest, BUILD_SHA and VERSION. A person merges it.
set -eu
branch="release/$STACK-$VERSION"
git switch --create "$branch"
sed -i \
  -e "s|^\(  web-next:image: \).*|\1$APP|" \
  -e "s|^\(    image: \).*|\1$EDGE|" \
  -e "s|^\(  web-next:buildSha: \).*|\1\"$BUILD_SHA\"|" \
  -e "s|^\(  web-next:version: \).*|\1$VERSION|" \
  "Pulumi.$STACK.yaml"
git commit --quiet --message "$STACK is to run $VERSION, built from $BUILD_SHA" "Pulumi.$STACK.yaml"
gh auth setup-git
git push --quiet origin "$branch"
gh pr create --head "$branch" --fill
