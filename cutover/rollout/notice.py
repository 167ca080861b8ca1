"""The line that people get in the channel at each turn of a rollout: who did what and why, and the way by hand."""

from __future__ import annotations

from cutover.errors import CutoverError, UnreachableError
from cutover.rollout.record import Record, State

SECONDS = 3.0
MOST = 500
"""Characters of a reason that are shown."""


def text(record: Record, by_hand: str, before: int | None = None) -> str:
    """What is said of a revision: `before` is the weight that there was, where it is known, and `by_hand` the command
    that takes all traffic from the candidate without cutover. It is left out where there is no way back."""
    last, candidate, stable = record.last, record.releases.candidate.version, record.releases.stable.version
    weight = f"weight {record.weight} %" if before is None else f"weight {before} -> {record.weight} %"
    because = " ".join(filter(None, [last.gate and f"gate {last.gate}:", last.why]))
    lines = [
        f"*web-next {record.stack}: {record.state.replace('_', ' ')}* {candidate} after {stable}, {weight}",
        f"{last.verb} by {last.by}" + (f": {because[:MOST]}" if because else ""),
        f"held: {record.hold[:MOST]}" if record.hold else "",
        f"rollout {record.id}, revision {record.revision}; cutover status -s {record.stack}",
    ]
    said = "\n".join(filter(None, lines)).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    if record.state in (State.FINISHING, State.FINISHED):
        return said
    return f"{said}\nback by hand, if nothing else works: `{by_hand}`"


def tell(record: Record, by_hand: str, before: int | None = None) -> None:
    """Posts the line to the webhook that the vault holds. Raises UnreachableError, never with the address, when the
    vault or the channel does not take it within SECONDS each."""
    import httpx

    places = record.targets.places
    url = _webhook(record)
    try:
        answer = httpx.post(
            url,
            json={"text": text(record, by_hand, before)},
            timeout=SECONDS,
            trust_env=places.emulator is None,
        )
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise _untold(f"{type(error).__name__}: {str(error).replace(url, 'its address')}") from None
    if not answer.is_success:
        raise _untold(f"it answered with status {answer.status_code}")


def _webhook(record: Record) -> str:
    from cutover import aws
    from cutover.schema.secrets import secret_value

    places = record.targets.places
    try:
        return secret_value(
            record.targets.webhook_secret, region=places.region, emulator=places.emulator, patience=aws.HURRIED
        )
    except CutoverError as error:
        raise UnreachableError(str(error)) from None


def _untold(why: str) -> UnreachableError:
    return UnreachableError(
        f"nobody was told of the turn, the channel did not take it ({why}): see SLACK_WEBHOOK_URL in the vault; tick "
        "tells them later"
    )
