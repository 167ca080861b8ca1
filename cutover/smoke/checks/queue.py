"""Queue stats: the queues' real counts."""

from __future__ import annotations

from cutover.smoke.check import Check
from cutover.smoke.probe import CheckFailedError, Probe
from outputs.smoke import Criterion


def look(probe: Probe) -> str:
    """What waits, and what was given up."""
    answer = probe.ask("GET", "/api/alerts/queue")
    if answer.get("_mock") is not False or "_err" in answer:
        raise CheckFailedError(
            f"the counts are a fallback's: _mock is {answer.get('_mock')!r}, _err {answer.get('_err')!r}"
        )
    counts = {name: answer.get(name) for name in ("pending", "dlq")}
    if not all(isinstance(count, int) for count in counts.values()):
        raise CheckFailedError(f"the counts are {counts}, whole numbers expected")
    return f"{counts['pending']} pending, {counts['dlq']} dead letters"


CHECK = Check(name="queue", criterion=Criterion.QUEUE, did="read the queues' counts", look=look)
