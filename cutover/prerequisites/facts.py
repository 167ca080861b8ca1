"""What a prerequisite is looked for in: the stack's file, the environment, AWS, and what the last update left."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from cutover import aws
from cutover.errors import StackMissingError
from cutover.stacks.outputs import outputs
from cutover.stacks.project import document


class MissingError(Exception):
    """A prerequisite does not hold: what was `seen`, and what to `do` next. Each is a line."""

    def __init__(self, seen: str, do: str) -> None:
        super().__init__(seen)
        self.seen, self.do = seen, do


@dataclass(frozen=True)
class Facts:
    """What is known of a stack on AWS, each part asked for when it is looked at first."""

    stack: str

    @cached_property
    def file(self) -> Mapping[str, Any]:
        """The whole of the stack's file."""
        return document(self.stack)

    @cached_property
    def settings(self) -> Mapping[str, Any]:
        """The settings of the file, by their names without the project's."""
        return {key.removeprefix("web-next:"): value for key, value in self.file.get("config", {}).items()}

    @cached_property
    def outputs(self) -> Mapping[str, Any]:
        """What the stack put out; nothing before its first up."""
        try:
            return outputs(self.stack).values
        except StackMissingError:
            return {}

    @cached_property
    def caller(self) -> Mapping[str, Any]:
        """Whose the credentials of the environment are, as STS says it."""
        return dict(self.client("sts").get_caller_identity())

    @property
    def account(self) -> str:
        return str(self.settings.get("account"))

    @property
    def region(self) -> str:
        return str(self.settings.get("region"))

    @property
    def prefix(self) -> str:
        """What the names of the stack's resources begin with."""
        return f"web-next-{self.stack}"

    def section(self, name: str) -> Mapping[str, Any]:
        """The settings of a section; none where the file has none."""
        return self.settings.get(name) or {}

    def client(self, service: str) -> Any:
        """A client of AWS in the stack's region, with the credentials of the environment."""
        return aws.client(service, aws.Account(region=self.region))
