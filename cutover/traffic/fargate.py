"""The split at a load balancer's listener: weights of the two target groups that its default action forwards to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from cutover.errors import TrafficError
from cutover.traffic.split import checked
from outputs.traffic import FargateTraffic


@dataclass(frozen=True, kw_only=True)
class ListenerTraffic:
    """The split of one HTTPS listener between the `stable` and `candidate` target groups; all three are ARNs."""

    listener: str
    stable: str
    candidate: str
    client: Any = field(repr=False)

    @classmethod
    def of(cls, where: FargateTraffic) -> ListenerTraffic:
        """The listener that a stack's output names, through the credentials of the environment."""
        client = boto3.client("elbv2", region_name=where.region)
        return cls(listener=where.listener, stable=where.stable, candidate=where.candidate, client=client)

    def get(self) -> int:
        """The candidate's share of the weights. Raises TrafficError when the listener forwards otherwise."""
        weights = {group["TargetGroupArn"]: int(group.get("Weight", 0)) for group in self._groups(self._actions())}
        total = sum(weights.values())
        if not total:
            raise TrafficError(f"listener {self.listener} gives both tracks weight 0: set one, cutover traffic")
        return round(100 * weights[self.candidate] / total)

    def set(self, weight: int) -> None:
        """Sets both weights in one call, everything else of the action as it is."""
        wanted = {self.candidate: checked(weight), self.stable: 100 - checked(weight)}
        actions = self._actions()
        for group in self._groups(actions):
            group["Weight"] = wanted[group["TargetGroupArn"]]
        self._call("modify_listener", ListenerArn=self.listener, DefaultActions=actions)

    def _actions(self) -> list[dict[str, Any]]:
        (listener,) = self._call("describe_listeners", ListenerArns=[self.listener])["Listeners"]
        return list(listener["DefaultActions"])

    def _groups(self, actions: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The target groups of the forward action, the two of this split."""
        for action in actions:
            groups = (action.get("ForwardConfig") or {}).get("TargetGroups") or []
            if {group["TargetGroupArn"] for group in groups} == {self.stable, self.candidate}:
                action.pop("TargetGroupArn", None)  # AWS repeats a lone group there, and refuses both
                return list(groups)
        raise TrafficError(
            f"listener {self.listener} does not forward to the two tracks' target groups: "
            "somebody changed its default action; bring the stack up with its action put back"
        )

    def _call(self, operation: str, **arguments: Any) -> dict[str, Any]:
        try:
            return dict(getattr(self.client, operation)(**arguments))
        except (BotoCoreError, ClientError) as error:
            raise TrafficError(f"listener {self.listener}: {operation} failed ({error}); try again") from None
