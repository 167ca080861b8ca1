"""A check: one small proof, by its name and the criterion that it counts for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from cutover.errors import CutoverError
from cutover.smoke.finding import Finding, Outcome, now
from cutover.smoke.probe import CheckFailedError, NotRunError, Probe
from cutover.smoke.redaction import redacted
from outputs.smoke import Criterion, Profile


@dataclass(frozen=True, kw_only=True)
class Check:
    """`look` says in a clause what it saw, or raises CheckFailedError or NotRunError; `did` says what it does.

    Without a criterion it counts for none of the nine. It runs in these profiles alone, and where the release's
    `adapter` is real: a mock has nothing real to look at. `beside_the_app` says that it sees something where the app
    does not answer too.
    """

    name: str
    criterion: Criterion | None
    did: str
    look: Callable[[Probe], str]
    adapter: str | None = None
    beside_the_app: bool = False
    profiles: tuple[Profile, ...] = ("full", "prod")

    def run(self, probe: Probe) -> Finding:
        """Runs the check. What goes wrong inside it is a finding too: an error of its own is a failure."""
        own, began, at = probe.for_check(self.name), probe.clock(), now()
        try:
            self._require_sense(probe)
            saw = self.look(own)
            outcome = Outcome.RETRIED if own.retried else Outcome.PASS
        except (CheckFailedError, CutoverError) as failure:
            outcome, saw = Outcome.FAIL, str(failure)
        except NotRunError as reason:
            outcome, saw = Outcome.NOT_RUN, str(reason)
        except Exception as error:
            outcome, saw = Outcome.FAIL, f"the check itself broke ({type(error).__name__}: {error})"
        return self._finding(outcome, saw, at=at, seconds=probe.clock() - began)

    def _require_sense(self, probe: Probe) -> None:
        if probe.shared.away and not self.beside_the_app:
            raise NotRunError("the app does not answer: see Health")
        if self.adapter and probe.target.adapters.get(self.adapter) == "mock":
            raise NotRunError(f"adapters.{self.adapter} is mock: nothing real answers")

    def unfinished(self, why: str) -> Finding:
        """The finding of a check that did not come to its end."""
        return self._finding(Outcome.NOT_RUN, why, at=now(), seconds=0.0)

    def _finding(self, outcome: Outcome, saw: str, *, at: datetime, seconds: float) -> Finding:
        one_line = redacted(" ".join(saw.encode(errors="replace").decode().split()))
        return Finding(
            check=self.name,
            criterion=self.criterion,
            did=self.did,
            saw=one_line,
            outcome=outcome,
            at=at,
            seconds=round(seconds, 2),
        )


@dataclass(frozen=True)
class Suite:
    """The checks that run side by side, what waits longest first; those that begin when they have ended; and after
    them those that judge the answers of all others."""

    together: tuple[Check, ...]
    last: tuple[Check, ...] = ()
    judges: tuple[Check, ...] = ()
