"""The flags in force: each track's parameter in SSM, which its app polls."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Self

from cutover import aws
from cutover.errors import UnreachableError
from cutover.rollout.phases import FlagValues


@dataclass(frozen=True)
class Flags:
    """The flags parameters of a base through a client of SSM. Every call raises UnreachableError after 3 s at most,
    and when it is refused."""

    client: Any = field(repr=False)

    @classmethod
    def of(cls, places: aws.Where) -> Self:
        """The emulator's on docker stacks, else with the credentials of the environment."""
        return cls(aws.client("ssm", places, aws.HURRIED))

    def read(self, parameter: str) -> FlagValues:
        """What the app is told now."""
        return FlagValues.of_parameter(self._content(parameter))

    def write(self, parameter: str, flags: FlagValues) -> bool:
        """Has the parameter say these flags, and returns whether it said others; what else it has is another
        revision's of the app and stays."""
        content = self._content(parameter)
        wanted = {**content, **flags.parameter()}
        if wanted == content:
            return False
        with _said(parameter):
            self.client.put_parameter(Name=parameter, Value=json.dumps(wanted), Type="String", Overwrite=True)
        return True

    def _content(self, parameter: str) -> dict[str, Any]:
        with _said(parameter):
            text = self.client.get_parameter(Name=parameter)["Parameter"]["Value"]
        try:
            content = json.loads(text)
        except ValueError:
            return {}
        return content if isinstance(content, dict) else {}


@contextmanager
def _said(parameter: str) -> Iterator[None]:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise UnreachableError(
            f"the flags in {parameter} cannot be read or set ({error}): on a machine make up starts the emulator; on "
            "AWS look at the network and at who you are, aws sts get-caller-identity"
        ) from None
