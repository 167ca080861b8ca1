"""Queue: an alert is delivered, after it was a dead letter too, and the counts are the queues' own."""

from __future__ import annotations

import uuid

import httpx

from cutover.smoke.check import Check
from cutover.smoke.probe import CheckFailedError, Probe
from cutover.smoke.receiver import Receiver, in_use
from outputs.smoke import Criterion

ATTEMPTS = 3
"""How often a delivery is tried before it is a dead letter (playbook row 4); 1 s and 2 s lie between."""
BURIED_SECONDS = (0.5, 3.0, 6.0)
"""Waits from the last attempt until the alert is a dead letter: at once, or when the worker looks through the queue
again; a worker on a busy machine is late."""
OLDEST_SECONDS = 120
"""An alert that has waited for so long is nobody's: a delivery with its attempts takes 20 s at most."""


def look(probe: Probe) -> str:
    """What became of an alert of its own, and what waits. Dead letters of others stay as they are."""
    try:
        saw = _alert_of_its_own(probe, f"smoke-{uuid.uuid4()}")
    except CheckFailedError as failure:
        raise CheckFailedError(f"{failure}; {_counts_or_why_not(probe)}") from None
    return f"{saw}; {_counts(probe)}"


def _alert_of_its_own(probe: Probe, trace: str) -> str:
    url = in_use(probe.target.places)
    if url is None:
        job, _ = _alert(probe, trace)
        return f"alert {job} accepted, where it arrives cannot be seen from here"
    with Receiver.at(url, trace) as receiver:
        return _walk(probe, receiver) if probe.target.profile == "full" else _delivery(probe, receiver)


def _walk(probe: Probe, receiver: Receiver) -> str:
    receiver.refuse(ATTEMPTS)
    job, began = _alert(probe, receiver.trace)
    receiver.until(probe, lambda _, refused: refused >= ATTEMPTS, f"alert {job} was not tried {ATTEMPTS} times")
    _retry(probe, job)
    receiver.until(probe, lambda taken, _: taken > 0, f"alert {job}, put back, did not arrive")
    return f"alert {job} died after {ATTEMPTS} attempts, was put back and arrived, {probe.clock() - began:.1f} s"


def _delivery(probe: Probe, receiver: Receiver) -> str:
    job, began = _alert(probe, receiver.trace)
    receiver.until(probe, lambda taken, _: taken > 0, f"alert {job} did not arrive")
    return f"alert {job} arrived, {probe.clock() - began:.1f} s"


def _alert(probe: Probe, trace: str) -> tuple[str, float]:
    """The job of an alert that nobody must act on, and when it was sent."""
    alert = {
        "title": f"Smoke test of web-next {probe.target.version} on {probe.target.stack}: nobody must act",
        "severity": "info",
        "text": f"Sent by cutover smoke, trace id {trace}.",
        "traffic": "smoke",
    }
    began = probe.clock()
    headers = {"x-trace-id": trace}
    answer = probe.ask("POST", "/api/alerts/webhook", alert, status=httpx.codes.ACCEPTED, headers=headers)
    if answer.get("_mock") is not False or not answer.get("jobId"):
        raise CheckFailedError(f"the alert was taken by a fallback: _mock is {answer.get('_mock')!r}")
    return str(answer["jobId"]), began


def _retry(probe: Probe, job: str) -> None:
    """Puts the dead letter back. The worker buries it in its own time, so a refusal is asked again."""
    retry = {"action": "retry", "jobId": job}
    for seconds in BURIED_SECONDS:
        probe.sleep(seconds)
        try:
            answer = probe.ask("POST", "/api/alerts/queue", retry)
            break
        except CheckFailedError as refusal:
            refused = refusal
    else:
        raise refused
    if answer.get("moved") != 1:
        raise CheckFailedError(
            f"alert {job} was no dead letter after {ATTEMPTS} attempts: moved is {answer.get('moved')!r}"
        )


def _counts(probe: Probe) -> str:
    answer = probe.ask("GET", "/api/alerts/queue")
    if answer.get("_mock") is not False or "_err" in answer:
        raise CheckFailedError(
            f"the counts are a fallback's: _mock is {answer.get('_mock')!r}, _err {answer.get('_err')!r}"
        )
    counts = {name: answer.get(name) for name in ("pending", "dlq")}
    if not all(isinstance(count, int) for count in counts.values()):
        raise CheckFailedError(f"the counts are {counts}, whole numbers expected")
    oldest = answer.get("oldestSec") or 0
    if oldest > OLDEST_SECONDS:
        raise CheckFailedError(
            f"the oldest of {counts['pending']} alerts waits for {oldest:.0f} s: no worker takes them"
        )
    return f"{counts['pending']} pending, {counts['dlq']} dead letters"


def _counts_or_why_not(probe: Probe) -> str:
    try:
        return _counts(probe)
    except CheckFailedError as cause:
        return str(cause)


CHECK = Check(
    name="queue",
    criterion=Criterion.QUEUE,
    did="sent an alert and followed it, through the dead letters where nobody else has any, and read the counts",
    look=look,
    adapter="queue",
)
