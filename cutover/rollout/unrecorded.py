"""A share of the traffic of which no record can be read: what is said of it, and the way back from it."""

from __future__ import annotations

from cutover.errors import CutoverError, RefusedError, TrafficError, UnfinishedError, UnreachableError
from cutover.rollout.effects import Answers, ReadBeside, ReadWeight, TakeBack, World
from cutover.rollout.status import Routes
from cutover.traffic.split import Share


def taken_back(world: World, stack: str, none: CutoverError, *, anyway: bool = False) -> str:
    """All traffic to stable where the candidate has a share and `none` says why there is no record of it; returns what
    was done.

    Raises `none` where the candidate has no share, or nobody can say; RefusedError where stable does not answer and the
    candidate does, unless `anyway`; UnfinishedError, with the traffic back, where the record could not be asked for.
    """
    share = _share(world)
    if share is None or not share.weight:
        raise none
    if not anyway and world.do(Answers("stable")) is False and world.do(Answers("candidate")):
        raise RefusedError(
            "stable does not answer and the candidate does: start it, or take the traffic back all the same, --anyway"
        )
    world.do(TakeBack(None))
    if isinstance(none, UnreachableError):
        raise UnfinishedError(
            f"the candidate had {share.weight} % of {stack} and has none now; nobody has written that down, as {none}; "
            f"then cutover tick -s {stack} does, and cutover rollback -s {stack} --why REASON adds a reason"
        )
    return f"{stack}: the candidate had {share.weight} % by hand, and has none now"


def said(world: World, stack: str, none: CutoverError) -> CutoverError:
    """What `status` says where there is no record: what routes comes first, if anything does."""
    share = _share(world)
    if share is None or not share.weight:
        return none
    by = f"rollout {share.mark.rollout}" if share.mark else "hand"
    return type(none)(
        f"the candidate has {share.weight} % of {stack}, set by {by}; cutover rollback -s {stack} takes it back; {none}"
    )


def routes(world: World) -> Routes:
    """What routes, for machines."""
    try:
        return Routes.of_share(world.do(ReadWeight()), world.do(ReadBeside()))
    except TrafficError as error:
        return Routes(unread=str(error))


def _share(world: World) -> Share | None:
    try:
        share: Share = world.do(ReadWeight())
    except TrafficError:
        return None
    return share
