#!/bin/sh
# Puts the last review of STACK on the pull request PR, in place of the one that is there. gh has its token in GH_TOKEN.
set -eu
file=".local/review/$STACK.md"
mark=$(head -n 1 "$file")
there=$(gh api --paginate "repos/{owner}/{repo}/issues/$PR/comments" \
  --jq ".[] | select(.user.type == \"Bot\" and (.body | startswith(\"$mark\"))) | .id" | head -n 1)
if [ -n "$there" ]; then
  gh api --silent --method PATCH "repos/{owner}/{repo}/issues/comments/$there" --field body=@"$file"
else
  gh api --silent --method POST "repos/{owner}/{repo}/issues/$PR/comments" --field body=@"$file"
fi
