"""The windows of a database's upkeep: how long each lasts, and that the two are apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

_DAY = 24 * 60
_WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def problems(backup: str, maintenance: str) -> Iterator[str]:
    """What AWS would refuse in the two, a clause each: shorter than an hour, longer than a day, overlapping."""
    windows: Mapping[str, str] = {"backupWindow": backup, "maintenanceWindow": maintenance}
    minutes = {name: _minutes(window) for name, window in windows.items()}
    for name, taken in minutes.items():
        if not 60 <= len(taken) <= _DAY:
            yield f"{name} is {windows[name]}: it must last an hour at least and a day at most"
    if {minute % _DAY for minute in minutes["backupWindow"]} & {
        minute % _DAY for minute in minutes["maintenanceWindow"]
    }:
        yield f"backupWindow is {backup}: it overlaps maintenanceWindow, {maintenance}"


def _minutes(window: str) -> range:
    """The minutes in a window HH:MM-HH:MM of every day, or ddd:HH:MM-ddd:HH:MM of every week, from its first."""

    def minute(moment: str) -> int:
        *day, hours, minutes = moment.split(":")
        return sum(_WEEK.index(name) * _DAY for name in day) + int(hours) * 60 + int(minutes)

    start, end = map(minute, window.split("-"))
    return range(start, end if end > start else end + (7 * _DAY if window[0].isalpha() else _DAY))
