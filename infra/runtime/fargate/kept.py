"""The split is run-time state: what hooks look at before an update of the listener, and put back after it."""

from __future__ import annotations

from collections.abc import Callable

import pulumi

from cutover import traffic
from outputs.traffic import FargateTraffic


def keeping_the_split(name: str, where: Callable[[str], FargateTraffic]) -> pulumi.ResourceHookBinding:
    """Hooks of a listener; `where` is told its ARN. Ignored changes do not do: an update of something else may send
    what the state has of the action (pulumi-aws 5772).

    Without the look there is no update, and what cannot be put back fails it.
    """
    kept: list[traffic.KeptShare] = []

    async def look(args: pulumi.ResourceHookArgs) -> None:
        known = await pulumi.Output.from_input(where(args.id).output()).future()
        share = traffic.KeptShare(traffic.traffic_split(FargateTraffic.from_output(known)))
        share.look()
        kept.append(share)

    def put_back(_args: pulumi.ResourceHookArgs) -> None:
        if said := kept[-1].put_back():
            pulumi.log.warn(said)

    return pulumi.ResourceHookBinding(
        before_update=[pulumi.ResourceHook(f"{name}-look", look)],
        after_update=[pulumi.ResourceHook(f"{name}-put-back", put_back)],
    )
