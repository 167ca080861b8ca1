"""The split at a load balancer's listener: weights of the two target groups that its default action forwards to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from cutover import aws
from cutover.errors import TrafficError
from cutover.traffic import refusals
from cutover.traffic.split import STACK, Mark, NothingRoutesError, Share, checked, named
from outputs.traffic import FargateTraffic

TRACK_HEADER = "X-Web-Next-Track"
"""By which the program's rules know who asks for a track (`infra/runtime/fargate/balancer.py`)."""
MARK, LATCHED = "web-next:rollout", "web-next:taken-back"
"""The listener's tags: the mark in force, and the rollouts that were taken back last. An older one's revision is
older too."""
PATIENCE = aws.Patience(seconds=2, attempts=3)
"""Nobody else could set the traffic, so what is throttled is asked again; a call ends within 15 s."""


@dataclass(frozen=True, kw_only=True)
class ListenerTraffic:
    """The split of one HTTPS listener between the `stable` and `candidate` target groups; all three are ARNs.

    While both tracks have a share a browser is kept on its own for `pinned_seconds`. At 0 and 100 nobody is kept: each
    request of a page that polls renews the balancer's cookie, so a browser would stay where the weight is 0.

    Weights and tags are set by calls of their own, so `set` looks at the tags before and after: what a controller
    raises that was frozen between the two, it takes back itself, two calls later.
    """

    stack: str = STACK
    region: str
    listener: str
    stable: str
    candidate: str
    pinned_seconds: int | None = None
    client: Any = field(repr=False, compare=False)

    @classmethod
    def of(cls, where: FargateTraffic, stack: str = STACK) -> ListenerTraffic:
        """The listener that a stack's output names, through the credentials of the environment."""
        client = aws.client("elbv2", aws.Account(region=where.region), PATIENCE)
        fields = {name: value for name, value in where.output().items() if name != "runtime"}
        return cls(stack=stack, **fields, client=client)

    def get(self) -> Share:
        """The candidate's share of the weights; a group that is forwarded to alone has all of it.

        Raises TrafficError when the listener forwards otherwise.
        """
        actions = self._actions()
        if not any(_weights(self._forwarding(actions)).values()):
            raise TrafficError(f"listener {self.listener} gives both tracks weight 0: {refusals.set_again(self.stack)}")
        weight, tags = self._weight(actions), self._tags()
        return Share(weight=weight, mark=_mark(tags), taken_back=frozenset(_latched(tags)))

    def beside(self) -> tuple[str, ...]:
        """Whatever else of the load balancer forwards to a track, but for whoever asks for it by name."""
        return tuple(self._beside())

    def set(self, weight: int, mark: Mark | None = None, *, anyway: bool = False) -> None:
        """Sets both weights and whether browsers are kept in one call, the other actions as they are, between two
        looks at the tags."""
        checked(weight)
        tags, actions = self._tags(), self._actions()
        if mark:
            _require_newest(mark, weight, tags)
            if mark != _mark(tags):  # what is there already may be a newer one's by now
                self._tag(MARK, mark.text)
        elif (in_force := _mark(tags)) and weight and not anyway:
            has = self._weight(actions)
            if weight > has and not (in_force.final and has == 0):
                raise refusals.taken(in_force.rollout)
        self._forward(actions, weight)
        if mark and weight and mark.rollout in _latched(self._tags()):
            self._forward(actions, 0)
            raise refusals.latched(mark.rollout)

    def take_back(self, rollout: str | None = None) -> None:
        """Weight 0, then the latch, and 0 again where somebody has raised it in between. Tags that cannot be read hold
        back neither."""
        actions, mark, unread = self._actions(), None, None
        try:
            mark = _mark(self._tags())
        except TrafficError as error:
            unread = error
        if mark and mark.final and self._weight(actions):
            raise refusals.final(mark.rollout, self.stack)
        taken = {named(each) for each in (rollout, mark and mark.rollout) if each}
        self._forward(actions, 0)
        try:
            if taken:
                self._tag(LATCHED, " ".join(sorted(taken)))
                if self._weight(self._actions()):
                    self._forward(actions, 0)
            elif unread:
                raise unread
        except TrafficError as error:
            raise TrafficError(
                f"the candidate has no traffic, and nothing keeps it so ({error}): take it back again"
            ) from None

    def by_hand(self) -> str:
        """The whole default action, as there is no call for the weights alone; browsers are not kept on a track."""
        groups = [{"TargetGroupArn": self.stable, "Weight": 1}, {"TargetGroupArn": self.candidate, "Weight": 0}]
        action = json.dumps([{"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}], separators=(",", ":"))
        return (
            f"aws elbv2 modify-listener --region {self.region} --listener-arn {self.listener} "
            f"--default-actions '{action}'"
        )

    def _weight(self, actions: list[dict[str, Any]]) -> int:
        """The candidate's share; 0 where neither track has any."""
        weights = _weights(self._forwarding(actions))
        return round(100 * weights.get(self.candidate, 0) / (sum(weights.values()) or 1))

    def _forward(self, actions: list[dict[str, Any]], weight: int) -> None:
        action = self._forwarding(actions)
        action.pop("TargetGroupArn", None)  # AWS repeats a lone group there, and refuses both
        weights = {self.stable: 100 - weight, self.candidate: weight}
        kept = {"Enabled": True, "DurationSeconds": self.pinned_seconds}
        action["ForwardConfig"] = {
            "TargetGroups": [{"TargetGroupArn": arn, "Weight": each} for arn, each in weights.items()],
            "TargetGroupStickinessConfig": kept if self.pinned_seconds and 0 < weight < 100 else {"Enabled": False},
        }
        for other in actions:
            if oidc := other.get("AuthenticateOidcConfig"):
                oidc["UseExistingClientSecret"] = True  # AWS shows no secret, and refuses the action without one
        self._call("modify_listener", ListenerArn=self.listener, DefaultActions=actions)

    def _beside(self) -> Iterator[str]:
        tracks = {self.stable: "stable", self.candidate: "candidate"}
        balancer = self.listener.replace(":listener/", ":loadbalancer/").rpartition("/")[0]
        for listener in self._call("describe_listeners", LoadBalancerArn=balancer)["Listeners"]:
            arn = listener["ListenerArn"]
            for rule in self._call("describe_rules", ListenerArn=arn)["Rules"]:
                to = {tracks[group] for action in rule["Actions"] for group in _weights(action) if group in tracks}
                if not to or (rule["IsDefault"] and arn == self.listener) or _pins(rule, to):
                    continue
                way = f"delete-rule --region {self.region} --rule-arn {rule['RuleArn']}"
                if rule["IsDefault"]:
                    way = f"delete-listener --region {self.region} --listener-arn {arn}"
                what = "listener" if rule["IsDefault"] else "a rule of listener"
                yield (
                    f"{what} {arn} leads to {' and '.join(sorted(to))}, whatever the weights are: remove it, aws elbv2 "
                    f"{way}"
                )

    def _actions(self) -> list[dict[str, Any]]:
        (listener,) = self._call("describe_listeners", ListenerArns=[self.listener])["Listeners"]
        return list(listener["DefaultActions"])

    def _forwarding(self, actions: list[dict[str, Any]]) -> dict[str, Any]:
        """The action that forwards to the groups of this split, or to one of them alone."""
        for action in actions:
            if (groups := _weights(action).keys()) and groups <= {self.stable, self.candidate}:
                return action
        raise TrafficError(
            f"listener {self.listener} does not forward to the two tracks' target groups: "
            f"somebody changed its default action; put it back, {self.by_hand()}"
        )

    def _tags(self) -> dict[str, str]:
        (described,) = self._call("describe_tags", ResourceArns=[self.listener])["TagDescriptions"]
        return {tag["Key"]: tag["Value"] for tag in described["Tags"]}

    def _tag(self, key: str, value: str) -> None:
        self._call("add_tags", ResourceArns=[self.listener], Tags=[{"Key": key, "Value": value}])

    def _call(self, operation: str, **arguments: Any) -> dict[str, Any]:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return dict(getattr(self.client, operation)(**arguments))
        except (BotoCoreError, ClientError) as error:
            if isinstance(error, ClientError) and error.response["Error"]["Code"] == "ListenerNotFound":
                raise NothingRoutesError(f"there is no listener {self.listener}: bring its stack up first") from None
            raise TrafficError(f"listener {self.listener}: {operation} failed ({error}); try again") from None


def _pins(rule: dict[str, Any], tracks: set[str]) -> bool:
    """Whether a rule is one of the program's: whoever is trusted and asks for a track gets it."""
    asked = [value for each in rule["Conditions"] for value in _asked(each)]
    trusted = any(each["Field"] == "source-ip" for each in rule["Conditions"])
    return trusted and len(tracks) == 1 and asked == [*tracks]


def _asked(condition: dict[str, Any]) -> list[str]:
    """The tracks that a condition on the header asks for."""
    header = condition.get("HttpHeaderConfig") or {}
    return list(header["Values"]) if header.get("HttpHeaderName", "").lower() == TRACK_HEADER.lower() else []


def _weights(action: dict[str, Any]) -> dict[str, int]:
    """The weights of the target groups that an action forwards to; none where it does something else."""
    if groups := (action.get("ForwardConfig") or {}).get("TargetGroups"):
        return {group["TargetGroupArn"]: int(group.get("Weight", 1)) for group in groups}
    return {action["TargetGroupArn"]: 1} if "TargetGroupArn" in action else {}


def _mark(tags: dict[str, str]) -> Mark | None:
    return Mark.read(tags.get(MARK, ""))


def _require_newest(mark: Mark, weight: int, tags: dict[str, str]) -> None:
    in_force = _mark(tags)
    if weight and mark.rollout in _latched(tags):
        raise refusals.latched(mark.rollout)
    if in_force and mark.revision < in_force.revision:
        raise refusals.older(mark.revision, in_force.rollout, in_force.revision)


def _latched(tags: dict[str, str]) -> list[str]:
    return tags.get(LATCHED, "").split()
