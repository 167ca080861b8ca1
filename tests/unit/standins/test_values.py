"""Property values: conversion, difference and drift."""

from __future__ import annotations

import pytest

from offline.standins.values import UNKNOWN, changes, reconcile, to_python, to_struct


def test_values_survive_the_way_over_the_wire() -> None:
    properties = {"text": "a", "whole": 3, "part": 0.5, "flag": False, "list": [1, {"x": "y"}], "map": {}, "none": []}
    assert to_python(to_struct(properties)) == properties


def test_whole_numbers_arrive_as_integers_and_flags_stay_flags() -> None:
    arrived = to_python(to_struct({"days": 30.0, "on": True}))
    assert [type(value) for value in arrived.values()] == [int, bool]


def test_nulls_are_left_out() -> None:
    assert to_python(to_struct({"gone": None, "kept": ""})) == {"kept": ""}


def test_secrets_are_wrapped_by_name_and_unwrapped_on_arrival() -> None:
    struct = to_struct({"password": "p", "user": "u"}, ("password",))
    assert struct.fields["password"].struct_value.fields["value"].string_value == "p"
    assert struct.fields["user"].string_value == "u"
    assert to_python(struct) == {"password": "p", "user": "u"}


def test_an_unknown_secret_stays_unknown() -> None:
    assert to_struct({"password": UNKNOWN}, ("password",)).fields["password"].string_value == UNKNOWN


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1}, {"a": 2}, [("a", "UPDATE")]),
        ({}, {"a": 1}, [("a", "ADD")]),
        ({"a": 1}, {}, [("a", "DELETE")]),
        ({"r": [{"d": {"days": 1}}]}, {"r": [{"d": {"days": 2}}]}, [("r[0].d.days", "UPDATE")]),
        ({"r": [1]}, {"r": [1, 2]}, [("r[1]", "ADD")]),
        ({"t": {"a:b": "x"}}, {"t": {}}, [('t["a:b"]', "DELETE")]),
        ({"a": "x"}, {"a": UNKNOWN}, [("a", "UPDATE")]),
    ],
)
def test_changes_are_named_by_their_path(old: object, new: object, expected: object) -> None:
    assert list(changes(old, new)) == expected


@pytest.mark.parametrize(
    ("mine", "seen"),
    [
        ({"a": 1}, {"a": 1, "server": "default"}),
        (["b", "a"], ["a", "b"]),
        ([{"id": "x"}], [{"id": "x", "etag": "1"}]),
        ('{"b": 1, "a": [2]}', '{"a":[2],"b":1}'),
        (30, "30"),
        (True, "true"),
        ("0", 0.0),
        (1, "1.0"),
        ({}, None),
        ("", None),
    ],
)
def test_what_means_the_same_is_no_drift(mine: object, seen: object) -> None:
    assert reconcile(mine, seen) == mine


@pytest.mark.parametrize(
    ("mine", "seen", "expected"),
    [
        ({"a": 1}, {"a": 2, "server": 1}, {"a": 2}),
        (["a"], ["a", "b"], ["a", "b"]),
        (["a", "b"], ["a"], ["a"]),
        (["a", "a"], ["a", "b"], ["a", "b"]),
        ('{"a": 1}', '{"a": 2}', '{"a": 2}'),
        ("Enabled", "enabled", "enabled"),
        (False, "true", "true"),
        ("1", 1.5, 1.5),
        ("5min", 5, 5),
        ({"a": {"b": 1}}, {"a": None}, {}),
    ],
)
def test_what_means_something_else_is_drift(mine: object, seen: object, expected: object) -> None:
    assert reconcile(mine, seen) == expected
