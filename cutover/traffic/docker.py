"""The split at the docker runtime's edge: files in its volume, one for each bucket that goes to the candidate."""

from __future__ import annotations

import secrets
import subprocess
from dataclasses import dataclass

from cutover.errors import TrafficError
from cutover.traffic import refusals
from cutover.traffic.engine import SECONDS, Done, EngineError, run
from cutover.traffic.split import MARK, STACK, Mark, NothingRoutesError, Share, checked, named

_REFUSED = 3
_BEGIN = """
set -eu
umask 002
cd "$1"
generation=$2 weight=$3 rollout=$4
exec 9>lock
in_force= at=0 final= has=0
look() {
    ! grep -Eqsx '%MARK%' mark || read -r in_force at final <mark
    for bucket in now/*; do [ ! -e "$bucket" ] || has=$((has + 1)); done
}
refuse() { echo "$@"; exit 3; }
swap() {
    [ "$weight" != 0 ] || { rm -rf now w*; return; }
    mkdir "$generation"
    bucket=0
    while [ "$bucket" -lt "$weight" ]; do : >"$generation/$bucket"; bucket=$((bucket + 1)); done
    ln -s "$generation" "$generation.link" && mv -T "$generation.link" now
    for other in w*; do [ "$other" = "$generation" ] || rm -rf "$other"; done
}
""".replace("%MARK%", MARK)
"""A generation is whole before `now` leads to it: nginx looks there on every request and is not reloaded. Without `now`
no bucket is the candidate's: weight 0 needs no room on the disk, and makes some. A mark that cannot be read is none.
Root's group may change what root has set: the watch is in it."""
_SET = f"""{_BEGIN}
revision=$5 ends=$6 anyway=$7
flock -w 2 9 || {{ echo 'somebody else sets it'; exit 1; }}
look
if [ "$rollout" ]; then
    [ "$weight" = 0 ] || [ ! -e "latched/$rollout" ] || refuse latched "$rollout"
    [ "$revision" -ge "$at" ] || refuse older "$in_force" "$at"
    [ "$weight" != 0 ] || swap
    {{ echo "$rollout $revision $ends" >mark.next && mv -T mark.next mark; }} || [ "$weight" = 0 ]
elif [ "$weight" -gt "$has" ] && [ "$in_force" ] && ! [ "$anyway" ]; then
    [ "$final" = final ] && [ "$has" = 0 ] || refuse taken "$in_force"
fi
swap
if [ "$weight" != 0 ] && [ "$rollout" ] && [ -e "latched/$rollout" ]; then
    weight=0
    swap
    refuse latched "$rollout"
fi
"""
"""The mark comes before a weight: of one that ends between them, a retry is no older. Who takes back does not wait long
for the lock, so the latch is looked at again when the weight is set."""
_TAKE_BACK = f"""{_BEGIN}
flock -w 1 9 || :
look
[ "$final" != final ] || [ "$has" = 0 ] || refuse final "$in_force"
swap
mkdir -p latched && (cd latched && touch . $rollout $in_force) || refuse unlatched
swap
"""
"""The traffic first, as a latch needs room on the disk; and again, for who has set it in between and saw no latch."""
_GET = """
set -eu
umask 002
cd "$1"
exec 9>lock && { flock -s -w 1 9 || :; }
mark=; [ ! -e mark ] || read -r mark <mark || :
printf 'mark %s\\n' "$mark"
echo taken $([ ! -d latched ] || ls latched)
[ ! -L now ] || ls now/
"""


@dataclass(frozen=True, kw_only=True)
class EdgeTraffic:
    """The split of the edge that runs in `container`, whose buckets are in `folder`.

    What is refused is refused under the lock under which the buckets are swapped. Beside them are `mark`, the one in
    force, and `latched/`, the rollouts that were taken back.
    """

    stack: str = STACK
    container: str
    folder: str

    def get(self) -> Share:
        """The share that nginx's files give the candidate. Raises TrafficError when they are not a share."""
        first, latched, *buckets = self._run(_GET).splitlines()
        if sorted(buckets) != sorted(map(str, range(len(buckets)))) or len(buckets) > 100:
            raise TrafficError(
                f"{self.container}: {self.folder}/now holds {' '.join(buckets)[:80]!r}, not the first of a hundred "
                f"buckets: {refusals.set_again(self.stack)}"
            )
        mark = Mark.read(first.removeprefix("mark"))
        return Share(weight=len(buckets), mark=mark, taken_back=frozenset(latched.split()[1:]))

    def beside(self) -> tuple[str, ...]:
        """None: whoever reaches the edge is counted into a bucket, or asks for a track by name."""
        return ()

    def set(self, weight: int, mark: Mark | None = None, *, anyway: bool = False) -> None:
        """Swaps the buckets in one step. Of two who set at once one is the last, whole."""
        ours = (mark.rollout, str(mark.revision), "final" if mark.final else "open") if mark else ("", "0", "open")
        said = self._run(_SET, _generation(checked(weight)), str(weight), *ours, "anyway" if anyway else "")
        match said.split():
            case ["latched", rollout]:
                raise refusals.latched(rollout)
            case ["older", rollout, in_force]:
                raise refusals.older(int(ours[1]), rollout, int(in_force))
            case ["taken", rollout]:
                raise refusals.taken(rollout)

    def take_back(self, rollout: str | None = None) -> None:
        """Weight 0 and the latch, under one lock; who holds it longer than a second is not waited for."""
        said = self._run(_TAKE_BACK, "", "0", named(rollout) if rollout else "")
        match said.split():
            case ["final", in_force]:
                raise refusals.final(in_force, self.stack)
            case words if "unlatched" in words:
                raise TrafficError(
                    f"edge {self.container}: the candidate has no traffic, and nothing keeps it so "
                    f"({' '.join(words)}): make room in the edge's volume, and take it back again"
                )

    def by_hand(self) -> str:
        """Without `now` no bucket is the candidate's."""
        return f"docker exec {self.container} rm -f {self.folder}/now"

    def _run(self, script: str, *arguments: str) -> str:
        try:
            done = run(self.container, "sh", "-c", script, "sh", self.folder, *arguments)
        except EngineError as error:
            if error.status is None:
                raise TrafficError(
                    f"Docker does not answer ({error}): start it (make doctor); what the weight is then, cutover "
                    "traffic says"
                ) from None
            if error.status == 404:
                raise NothingRoutesError(f"there is no edge {self.container}: bring its stack up first") from None
            raise TrafficError(
                f"edge {self.container} does not run: make up starts it, or docker unpause {self.container} where it "
                f"is paused ({error})"
            ) from None
        return self._said(done)

    def _said(self, done: Done) -> str:
        if done.code not in (0, _REFUSED):
            raise TrafficError(f"edge {self.container}: the weight is as it was ({done.said[-200:]}); try again")
        return done.said


@dataclass(frozen=True, kw_only=True)
class MountedTraffic(EdgeTraffic):
    """The same from a container that has the edge's volume at the folder that it has in the edge: nobody is asked."""

    def _run(self, script: str, *arguments: str) -> str:
        command = ["sh", "-c", script, "sh", self.folder, *arguments]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise TrafficError(
                f"the volume of edge {self.container} cannot be used here ({error}); try again"
            ) from None
        return self._said(Done(done.returncode, (done.stdout + done.stderr).strip()))


def _generation(weight: int) -> str:
    return f"w{weight}-{secrets.token_hex(4)}"
