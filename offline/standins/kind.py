"""What a table says of a resource type, and what the protocol hands it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

URN_TAG = "web-next:urn"
CANCELLED = threading.Event()

Properties = dict[str, Any]


class StandinError(Exception):
    """A refusal or failure in one line: value seen, rule, way out. Shown by the engine as it is."""


class ConflictError(StandinError):
    """An object of that name exists and is not this resource's."""

    def __init__(self, what: str, name: str, owner: str | None) -> None:
        seen = f"belongs to {owner}" if owner else f"carries no {URN_TAG} mark"
        super().__init__(
            f"{what} {name!r} exists already and {seen}; a name has one owner: "
            "remove that object or choose another name"
        )


@dataclass(kw_only=True)
class Call:
    """One operation on one resource. `old` and `state` are empty on create, `id` too.

    `replaces` is the id of the object that a create is to replace: "" if that isn't known, None if there is none.
    """

    cloud: Any
    urn: str
    inputs: Properties
    id: str = ""
    old: Properties = field(default_factory=dict)
    state: Properties = field(default_factory=dict)
    replaces: str | None = None

    def changed(self, *names: str) -> bool:
        """Whether one of the inputs differs from what was last applied; on create, whether one is given."""
        return any(self.inputs.get(name) != self.old.get(name) for name in names)


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One resource type. Without `create` it exists in previews only.

    `outputs` are computed (unknown in a preview), `name` is the input that gets a generated value when the
    program gives none, `replace` the inputs whose change means a new object, `hidden` the properties whose
    values are wrapped in results and masked in errors. `read` returns None for an object that is gone, else
    what it saw: a property it leaves out counts as unchanged, None as removed.
    """

    type: str
    outputs: tuple[str, ...] = ()
    name: str = ""
    replace: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    changing: tuple[str, ...] = ()
    tags: bool = False
    delete_first: bool = False
    create: Callable[[Call], tuple[str, Properties]] | None = None
    read: Callable[[Call], Properties | None] = lambda _: {}
    update: Callable[[Call], Properties] = lambda _: {}
    delete: Callable[[Call], object] = lambda _: None


@dataclass(frozen=True, kw_only=True)
class Package:
    """A provider: its table, and `connect`, which turns its configuration into `Call.cloud` or refuses it."""

    name: str
    kinds: Mapping[str, Kind]
    connect: Callable[[Mapping[str, str]], Any]


def wait_until(ready: Callable[[], Any], what: str, *, seconds: float, every: float = 0.2) -> None:
    """Returns once `ready()` is true. Raises StandinError after `seconds` or when the engine cancels."""
    for _ in range(int(seconds / every) + 1):
        if ready():
            return
        if CANCELLED.wait(every):
            raise StandinError(f"{what}: cancelled while waiting")
    raise StandinError(f"{what}: not ready after {seconds:g} s; see its log, repair it and run `up` again")
