#!/bin/sh
# Puts the last review of STACK on the pull request PR, in place of the one that is there. gh has its token in GH_TOKEN.
set -eu
file=".local/review/$STACK.md"
[ -f "$file" ] || { echo "there is no $file: run make review STACK=$STACK first" >&2; exit 1; }
[ -n "${PR:-}" ] || { echo "PR is empty: name the pull request by its number, such as PR=7" >&2; exit 1; }
command -v gh >/dev/null || { echo "gh is not on PATH: install GitHub's CLI and log in" >&2; exit 1; }
mark=$(head -n 1 "$file")
there=$(gh api --paginate "repos/{owner}/{repo}/issues/$PR/comments" \
  --jq ".[] | select(.user.type == \"Bot\" and (.body | startswith(\"$mark\"))) | .id" | head -n 1)
if [ -n "$there" ]; then
  gh api --silent --method PATCH "repos/{owner}/{repo}/issues/comments/$there" --field body=@"$file"
else
  gh api --silent --method POST "repos/{owner}/{repo}/issues/$PR/comments" --field body=@"$file"
fi
