"""The split at the docker runtime's edge: files in its volume, one for each bucket that goes to the candidate."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

import docker
from docker.errors import APIError, DockerException, NotFound

from cutover.errors import TrafficError
from cutover.traffic.split import checked

_SET = """
set -eu
cd "$1"
exec 9>lock && flock 9
mkdir "$2"
bucket=0
while [ "$bucket" -lt "$3" ]; do : >"$2/$bucket"; bucket=$((bucket + 1)); done
ln -s "$2" "$2.link" && mv -T "$2.link" now
for other in w*; do [ "$other" = "$2" ] || rm -rf "$other"; done
"""
"""Makes a generation whole before `now` leads to it: nginx looks there on every request and is not reloaded."""
_GET = 'cd "$1" && if [ -L now ]; then ls now/; fi'


@dataclass(frozen=True, kw_only=True)
class EdgeTraffic:
    """The split of the edge that runs in `container`, whose buckets are in `folder`."""

    container: str
    folder: str

    def get(self) -> int:
        """The share that nginx's files give the candidate. Raises TrafficError when they are not a share."""
        buckets = self._run(_GET).split()
        if sorted(buckets) != sorted(map(str, range(len(buckets)))) or len(buckets) > 100:
            raise TrafficError(
                f"{self.container}: {self.folder}/now holds {' '.join(buckets)[:80]!r}, not the first of a hundred "
                "buckets: set the weight again, cutover traffic -s STACK WEIGHT"
            )
        return len(buckets)

    def set(self, weight: int) -> None:
        """Swaps the buckets in one step and reads them back. Of two who set at once one is the last, whole."""
        self._run(_SET, f"w{checked(weight)}-{secrets.token_hex(4)}", str(weight))

    def _run(self, script: str, *arguments: str) -> str:
        try:
            client = docker.DockerClient(base_url="unix:///var/run/docker.sock")
            try:
                edge = client.containers.get(self.container)
                done = edge.exec_run(["sh", "-c", script, "sh", self.folder, *arguments], user="root")
            finally:
                client.close()
        except NotFound:
            raise TrafficError(f"there is no edge {self.container}: bring its stack up first") from None
        except APIError as error:
            raise TrafficError(f"edge {self.container} does not run ({error.explanation}): start it, make up") from None
        except DockerException as error:
            raise TrafficError(f"Docker does not answer ({error}): start it (make doctor)") from None
        text = str(done.output.decode(errors="replace")).strip()
        if done.exit_code:
            raise TrafficError(f"edge {self.container}: the weight is as it was ({text[-200:]}); try again")
        return text
