"""The section rollout of a stack's file: how long phases hold, when nothing may rise, and what may be put back."""

from __future__ import annotations

import re
from datetime import datetime, time, timedelta
from typing import Annotated, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from outputs.section import FORM, PUSHED, Line, known, like

WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
NAMED = 16
"""Hex digits by which a release's digest is named."""
LONGEST_HOLD = timedelta(hours=36)
"""A phase may be extended once: its gates look back twice as far, and on AWS not much further (decision 031)."""
_DAY = f"({'|'.join(WEEK)})"
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours"}


def _hold(value: object) -> object:
    if found := isinstance(value, str) and re.fullmatch(r"([1-9][0-9]{0,5})([smh])", value):
        hold = timedelta(**{_UNITS[found[2]]: int(found[1])})
        if hold <= LONGEST_HOLD:
            return hold.total_seconds()
        raise PydanticCustomError(
            "hold",
            "it must be 36h at most: extended once, that is the three days which the gates see; whoever wants longer "
            "types the next verb later",
        )
    raise PydanticCustomError("duration", "it must be a duration, such as 30m, 1h or 90s")


def _moment(value: object) -> object:
    if type(value) is int:  # YAML 1.1, which cutover reads, has 14:25 as 14 × 60 + 25
        value = f"{value // 60:02}:{value % 60:02}"
    try:
        if isinstance(value, str) and re.fullmatch(r"[0-9]{2}:[0-9]{2}", value):
            return time.fromisoformat(value)
        if isinstance(value, str) and "T" in value and (moment := datetime.fromisoformat(value)).tzinfo:
            return moment
    except ValueError:
        pass
    raise PydanticCustomError(
        "moment", 'it must be a time of day, "14:25", or a moment, "2026-12-24T00:00Z"; quote it in YAML'
    )


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise PydanticCustomError("zone", "it must be a time zone, such as America/New_York") from None
    return name


Hold = Annotated[float, BeforeValidator(_hold)]
Moment = Annotated[time | datetime, BeforeValidator(_moment)]


class HoldSettings(BaseModel):
    """For how many seconds each phase holds at least (playbook row 8)."""

    model_config = FORM

    canary: Hold = 30 * 60.0
    staged: Hold = 60 * 60.0
    production: Hold = 24 * 60 * 60.0


class FreezeWindow(BaseModel):
    """A time in which no verb may raise the weight: each of `days`, from a time of day to the next time of day `end`
    in `timezone`; without days, once, from one moment to another."""

    model_config = FORM

    days: Annotated[str | None, like(f"{_DAY}(-{_DAY})?", "a day or a range of days, such as mon-fri")] = None
    start: Moment = Field(alias="from")
    end: Moment = Field(alias="to")
    timezone: Annotated[str, AfterValidator(_zone)] = "UTC"
    reason: Line

    @model_validator(mode="after")
    def _of_one_kind(self) -> Self:
        moments = [isinstance(moment, datetime) for moment in (self.start, self.end)]
        if self.days and any(moments):
            raise PydanticCustomError("window", "it has days: from and to must be times of day, such as 14:25")
        if not self.days and not all(moments):
            raise PydanticCustomError(
                "window", "it has no days: from and to must be moments, such as 2026-12-24T00:00Z; or name days"
            )
        if not self.days and "timezone" in self.model_fields_set:
            raise PydanticCustomError("window", "it has no days: remove timezone; a moment has its own")
        if isinstance(self.start, datetime) and isinstance(self.end, datetime) and self.end <= self.start:
            raise PydanticCustomError("window", "it ends before it begins: from must be before to")
        return self


class RolloutSettings(BaseModel):
    """How a stack's rollouts go. `may_replace` names the release whose update the guard rails let through,
    `watch_image` the image of cutover that ticks on AWS."""

    model_config = FORM

    hold: Annotated[
        HoldSettings, known("an object of canary, staged, production, each a duration such as 30m, 1h or 90s")
    ] = HoldSettings()
    freeze: list[FreezeWindow] = []
    may_replace: Annotated[
        str | None, like(rf"[0-9a-f]{{{NAMED},64}}", f"a release's digest, its first {NAMED} hex digits or more")
    ] = None
    watch_image: Annotated[str | None, like(PUSHED, "repository@sha256:…, never a tag")] = None


def by_name(release: str, stack: str) -> str:
    """The command that names the release as one that may be changed or taken away all the same."""
    return f"pulumi config set --path web-next:rollout.mayReplace {release[:NAMED]} -s {stack}"
