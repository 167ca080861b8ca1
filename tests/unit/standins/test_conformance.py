"""The tables name only what exists: tokens, inputs and outputs are looked up in the pulumi_* SDKs."""

from __future__ import annotations

import functools
import importlib
import inspect
import json
import re
import warnings
from dataclasses import replace
from pathlib import Path

import pytest

from offline.standins import containers, docker, postgresql, random
from offline.standins.aws import FAMILIES, PACKAGE
from offline.standins.aws.api import Api
from offline.standins.aws.mapper import member, shape_at
from offline.standins.aws.part import Part
from offline.standins.aws.s3 import BUCKET_INPUTS
from offline.standins.kind import Kind

PACKAGES = (PACKAGE, docker.PACKAGE, postgresql.PACKAGE, random.PACKAGE)
KINDS = [kind for package in PACKAGES for kind in package.kinds.values()]
ROWS = [row for family in FAMILIES for row in vars(family).values()]
APIS = [row for row in ROWS if isinstance(row, Api)]
PARTS = [row for row in ROWS if isinstance(row, Part)]


@functools.cache
def registered(package: str) -> dict[str, tuple[str, str]]:
    """The SDK's own list of tokens with the module and class of each."""
    with warnings.catch_warnings(action="ignore"):
        module = importlib.import_module(f"pulumi_{package}")
    listed = re.search(r'resource_modules="""\n(.*?)"""', Path(str(module.__file__)).read_text(), re.DOTALL)
    assert listed, f"pulumi_{package} registers no resources"
    entries = json.loads(listed.group(1))
    return {token: (entry["fqn"], name) for entry in entries for token, name in entry["classes"].items()}


@functools.cache
def properties(token: str) -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
    """The type's inputs, computed outputs and secret outputs, by their names on the wire."""
    module, name = registered(token.split(":")[0])[token]
    with warnings.catch_warnings(action="ignore"):
        resource = getattr(importlib.import_module(module), name)
    wire = {}
    for attribute, value in vars(resource).items():
        if isinstance(value, property):
            renamed = re.search(r'getter\(name="(\w+)"\)', inspect.getsource(value.fget))  # type: ignore[arg-type]
            wire[attribute] = renamed.group(1) if renamed else attribute
    source = inspect.getsource(resource._internal_init)
    outputs = set(re.findall(r'__dict__\["(\w+)"\] = None\n', source))
    inputs = set(re.findall(r'__dict__\["(\w+)"\] = ', source)) - outputs
    secret = re.search(r"additional_secret_outputs=\[(.*?)\]", source)
    return (
        frozenset(wire.get(key, key) for key in inputs),
        frozenset(wire.get(key, key) for key in outputs),
        frozenset(re.findall(r'"(\w+)"', secret.group(1)) if secret else ()),
    )


def unknown_names(kind: Kind) -> list[str]:
    """What the table says of a type and the SDK doesn't know."""
    inputs, outputs, _ = properties(kind.type)
    named = {*kind.replace, *([kind.name] if kind.name else []), *(["tags"] if kind.tags else [])}
    computed = {*kind.outputs, *kind.changing, *kind.hidden}
    return sorted((named - inputs) | (computed - inputs - outputs))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.type)
def test_every_token_input_and_output_in_the_tables_exists_in_the_sdk(kind: Kind) -> None:
    assert kind.type in registered(kind.type.split(":")[0]), "the SDK has no such type"
    assert unknown_names(kind) == []


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.type)
def test_what_the_sdk_marks_secret_is_hidden(kind: Kind) -> None:
    _, _, secret = properties(kind.type)
    handled = {"secretString", "password", "authToken", "value", "result"}
    assert secret & handled <= {*kind.hidden}
    assert not secret & {*kind.outputs} - {*kind.hidden}


@pytest.mark.parametrize("row", APIS, ids=lambda row: row.type)
def test_what_a_row_renames_leaves_unmapped_or_forgets_are_inputs(row: Api) -> None:
    inputs, _, _ = properties(row.type)
    assert {*row.api_names, *row.unmapped_inputs.split(), *row.forgotten_inputs.split()} - inputs - {
        "applyImmediately"
    } == set()


@pytest.mark.parametrize("row", PARTS, ids=lambda row: row.type)
def test_the_keys_of_a_part_are_inputs_that_each_operation_takes(row: Part) -> None:
    inputs, _, _ = properties(row.type)
    assert {*row.key_inputs.split(), *row.unmapped_inputs.split()} - inputs == set()
    assert missing_of(row) == []


def missing_of(row: Part) -> list[str]:
    """What the row says of its operations and the service's model doesn't know."""
    import botocore.session

    model = botocore.session.Session().get_service_model(row.service)
    shapes = {name: model.operation_model(name) for name in {row.put, row.get, row.delete, row.change or row.put}}
    taken = {name: shapes[name].input_shape for name in shapes}
    missing = [f"put {key}" for key in row.key_inputs.split() if member(taken[row.put], key, row.api_names) is None]
    missing += [f"also {name}" for name in row.put_parameters if name not in taken[row.put].members]
    handled = {*taken[row.change or row.put].members, *taken[row.delete].members}
    missing += [f"handle {name}" for name in row.handle_parameters if name not in handled]
    place = shape_at(shapes[row.get].output_shape, row.object_path)
    told = place.members if place.type_name == "structure" else {"Owner": None}
    return missing + [f"output {path}" for path in row.outputs.values() if path not in told]


@pytest.mark.parametrize(
    "wrong",
    [
        replace(PARTS[0], api_names={}),
        replace(PARTS[0], put_parameters={"Nothing": "1"}),
        replace(PARTS[0], handle_parameters={"Nothing": "Arn"}),
        replace(PARTS[0], outputs={"arn": "Nothing"}),
    ],
    ids=lambda row: str(missing_of(row)),
)
def test_what_the_model_does_not_have_is_found_in_a_part(wrong: Part) -> None:
    assert missing_of(wrong) != []


def test_what_a_container_and_a_bucket_apply_are_inputs() -> None:
    assert {*containers.APPLIED} - properties("docker:index/container:Container")[0] == set()
    assert BUCKET_INPUTS - properties("aws:s3/bucket:Bucket")[0] == set()


@pytest.mark.parametrize(
    "wrong",
    [
        Kind(type="aws:s3/bucket:Bucket", outputs=("arm",)),
        Kind(type="aws:s3/bucket:Bucket", replace=("bucket_name",)),
        Kind(type="docker:index/container:Container", name="networksAdvanceds"),
        Kind(type="docker:index/container:Container", tags=True),
    ],
    ids=lambda kind: str(unknown_names(kind)),
)
def test_a_name_the_sdk_does_not_have_is_found(wrong: Kind) -> None:
    assert unknown_names(wrong) != []


def test_a_type_the_sdk_does_not_have_is_found() -> None:
    assert "aws:s3/bucket:Bukket" not in registered("aws")


def test_operations_and_their_parameters_exist_in_the_service_models() -> None:
    import botocore.session

    session = botocore.session.Session()
    for row in APIS:
        model = session.get_service_model(row.service)
        for operation in filter(None, (row.create, row.describe, row.update, row.delete)):
            assert operation in model.operation_names, f"{row.type}: {row.service} has no {operation}"
        known = {
            name
            for operation in filter(None, (row.create, row.update, row.describe))
            for name in model.operation_model(operation).input_shape.members
        }
        for wanted in row.api_names.values():
            assert {*wanted.split()} & known, f"{row.type}: no operation takes {wanted}"
