"""What is judged: the resources of a stack, with what is not known of them said so."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final


class _Unknown:
    """The type of UNKNOWN, which is no value: it equals nothing but itself."""

    def __repr__(self) -> str:
        return "unknown"

    def __copy__(self) -> _Unknown:
        return self

    def __deepcopy__(self, memo: object) -> _Unknown:
        return self

    def __reduce__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = _Unknown()
"""A value that only an update will know, or that is a secret which nobody opens here."""

SAME_TYPE: Mapping[str, str] = {
    **{
        f"aws:{area}/{kind}": f"aws:lb/{kind}"
        for area in ("alb", "applicationloadbalancing")
        for kind in (
            "listener:Listener",
            "listenerRule:ListenerRule",
            "loadBalancer:LoadBalancer",
            "targetGroup:TargetGroup",
        )
    },
    **{
        f"aws:s3/bucket{kind}V2:Bucket{kind}V2": f"aws:s3/bucket{kind}:Bucket{kind}"
        for kind in (
            *("", "CorsConfiguration", "LifecycleConfiguration", "ObjectLockConfiguration"),
            *("ServerSideEncryptionConfiguration", "Versioning"),
        )
    },
}
"""Types of the AWS provider that are one under two names; a resource has the second, which rules know."""

ID_INPUTS = ("arn", "arnSuffix", "bucket", "identifier", "keyId", "name", "replicationGroupId")
"""The properties by which other resources name one."""


class NotKnownError(Exception):
    """A rule asked for what is not known, so that it can answer neither yes nor no."""

    def __init__(self, resource: Resource, path: str) -> None:
        super().__init__(f"{resource.name}: {path} is not known")
        self.resource, self.path = resource, path


@dataclass(frozen=True, kw_only=True)
class Resource:
    """A resource as it is declared. `inputs` may have UNKNOWN anywhere; `secrets` names the inputs that are secret.

    `refers` has the URNs of the resources that an input is made of; `ids` are the texts by which others may name it:
    id, ARN, its own name.
    """

    type: str
    name: str
    urn: str
    inputs: Mapping[str, Any]
    parent: str = ""
    provider: str = ""
    protect: bool = False
    secrets: frozenset[str] = frozenset()
    refers: Mapping[str, frozenset[str]] = field(default_factory=dict)
    ids: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        object.__setattr__(self, "type", SAME_TYPE.get(self.type, self.type))

    @cached_property
    def everything(self) -> frozenset[str]:
        """The URNs of all that any input is made of."""
        return frozenset().union(*self.refers.values())

    def get(self, path: str) -> Any:
        """The value at a path such as `rule.objectOwnership`, None where there is none. Raises NotKnownError."""
        value: Any = self.inputs
        for step in path.split("."):
            if value is UNKNOWN:
                raise NotKnownError(self, path)
            if isinstance(value, Mapping):
                value = value.get(step)
            elif isinstance(value, list) and step.isdigit():
                value = value[int(step)] if int(step) < len(value) else None
            else:
                return None
        self._require_known(value, path)
        return value

    def all(self, path: str) -> list[Any]:
        """The value at a path as a list: empty where there is none, of one where it is no list."""
        value = self.get(path)
        return [] if value is None else value if isinstance(value, list) else [value]

    def under_own_key(self, path: str) -> bool:
        """Whether an input names a key of KMS other than AWS' own; who has one may not know it yet."""
        key = self.inputs.get(path)
        return bool(key) and "alias/aws/" not in str(key)

    def every(self, path: str) -> list[Any]:
        """The values at a path, in every element of the lists on the way. Raises NotKnownError where one is not known,
        whatever else of those lists is not."""
        values = _at(self.inputs, path)
        if UNKNOWN in values:
            raise NotKnownError(self, path)
        return values

    def below(self, path: str) -> list[Any]:
        """What is at a path and below it, known or not. It is asked once for each resource that may be named there."""
        if path not in self._below:
            self._below[path] = _at(self.inputs, path)
        return self._below[path]

    @cached_property
    def _below(self) -> dict[str, list[Any]]:
        return {}

    def document(self, path: str) -> Any:
        """The JSON at a path, None where there is none. Raises NotKnownError."""
        text = self.get(path)
        return json.loads(text) if isinstance(text, str) else text

    def _require_known(self, value: Any, path: str) -> None:
        if value is UNKNOWN:
            raise NotKnownError(self, path)
        if isinstance(value, Mapping):
            for step, inner in value.items():
                self._require_known(inner, f"{path}.{step}")
        elif isinstance(value, list):
            for index, inner in enumerate(value):
                self._require_known(inner, f"{path}.{index}")


@dataclass(frozen=True, kw_only=True)
class Stack:
    """The resources of one stack, and its configuration as Pulumi has it (`web-next:access`: text)."""

    name: str
    resources: Sequence[Resource]
    config: Mapping[str, str] = field(default_factory=dict)

    def keeps(self, part: str) -> bool:
        """Whether what holds a part's data must stay. On a machine its file may say that it need not, in mayDestroy: a
        rehearsal's data may go. On AWS it is a finding while it is said."""
        on_machine = self.config.get("web-next:runtime") == "docker"
        return not on_machine or part not in json.loads(self.config.get("web-next:mayDestroy", "[]"))

    @cached_property
    def _by_type(self) -> Mapping[str, Sequence[Resource]]:
        found: dict[str, list[Resource]] = {}
        for one in self.resources:
            found.setdefault(one.type, []).append(one)
        return found

    def of(self, *types: str) -> Iterator[Resource]:
        """The resources of these types."""
        for kind in types:
            yield from self._by_type.get(kind, ())

    def about(self, kind: str, path: str, target: Resource) -> list[Resource]:
        """The resources of a type whose input at `path` refers to the target: its settings, its rules, its alarms.

        Raises NotKnownError where one may, or may not.
        """
        return [one for one in self.of(kind) if self.refers(one, path, target)]

    def behind(self, resource: Resource, path: str, *types: str) -> list[Resource]:
        """The resources of these types that an input refers to: a task's role, an instance's groups.

        Raises NotKnownError where one may, or may not.
        """
        return [one for one in self.of(*types) if self.refers(resource, path, one)]

    def refers(self, resource: Resource, path: str, target: Resource) -> bool:
        """Whether the input at `path` names the target. Raises NotKnownError where nothing tells."""
        made_of = resource.refers.get(path.split(".")[0], frozenset())
        if target.urn in made_of:
            return True
        values = resource.below(path)
        if any(isinstance(one, str) and one in target.ids for one in values):
            return True
        if UNKNOWN in values and not made_of:
            raise NotKnownError(resource, path)
        return False


def _at(value: Any, path: str) -> list[Any]:
    """What is at a path and below, in every element of the lists on the way."""
    if isinstance(value, list):
        return [found for inner in value for found in _at(inner, path)]
    if isinstance(value, Mapping) and not path:
        return [found for inner in value.values() for found in _at(inner, path)]
    if value is UNKNOWN or not path:
        return [value]
    step, _, rest = path.partition(".")
    return _at(value[step], rest) if isinstance(value, Mapping) and value.get(step) is not None else []
