"""Captured stacks as templates of CloudFormation, for cfn-lint to hold against the schemas that AWS publishes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from policy.resources import Resource
from tests.unit.infra.cloudformation_shapes import ELSEWHERE, SHAPES, Shape


def template(resources: Iterable[Resource]) -> dict[str, Any]:
    """What of these has a shape, as a template. What only an update would tell is imported, which passes for any."""
    chosen = list(resources)
    known = frozenset(identity for one in chosen for identity in one.ids if identity not in one.inputs.values())
    made: dict[str, dict[str, Any]] = {}
    for one in chosen:
        shape = SHAPES.get(one.type.removeprefix("aws:"))
        if shape is None:
            continue
        # A bucket's settings are resources of their own in Pulumi, and parts of it in CloudFormation.
        name = one.inputs["bucket"] if shape.type == "AWS::S3::Bucket" else f"{shape.type}{one.name}"
        whole = made.setdefault(re.sub(r"[\W_]", "", str(name)), {"Type": shape.type, "Properties": {}})["Properties"]
        own = {key: value for key, value in one.inputs.items() if not (shape.below and key == "bucket")}
        place = whole.setdefault(shape.below, {}) if shape.below else whole
        _Writing(shape, known, whole).put(place, own)
    return {"Resources": made}


@dataclass(frozen=True)
class _Writing:
    shape: Shape
    known: frozenset[str]
    whole: dict[str, Any]

    def put(self, place: dict[str, Any], inputs: Mapping[str, Any], path: str = "") -> dict[str, Any]:
        """Writes the inputs at `path` of a resource into a part of its properties."""
        for key, value in inputs.items():
            name = self.shape.named.get(path + key, key[0].upper() + key[1:])
            if value is None or name == ELSEWHERE:
                continue
            *way, last = name.removeprefix("/").split(".")
            target = self.whole if name.startswith("/") else place
            for step in way:
                target = target.setdefault(step, {})
            written = self._value(value, key, f"{path}{key}.")
            if written != {}:
                target[last] = written
        return place

    def _value(self, value: Any, key: str, path: str) -> Any:
        if key in self.shape.documents:
            return self._value(json.loads(value), "", path) if key == "containerDefinitions" else json.loads(value)
        if key in ("tags", "dimensions") and isinstance(value, Mapping):
            return [{"Key" if key == "tags" else "Name": name, "Value": each} for name, each in value.items()]
        if key == "options":
            return value
        if key == "parameters":
            return {each["name"]: each["value"] for each in value}
        if isinstance(value, Mapping):
            return self.put({}, value, path)
        if isinstance(value, list):
            return [self._value(each, "", path) for each in value]
        if isinstance(value, float) and value.is_integer():
            return int(value)
        return {"Fn::ImportValue": re.sub(r"\W", "-", value)} if value in self.known else value
