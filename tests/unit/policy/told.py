"""What the engine tells the policy pack, and what the pack reports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from google.protobuf.json_format import ParseDict
from google.protobuf.struct_pb2 import Struct
from pulumi.runtime.proto import analyzer_pb2 as proto

from policy import pack
from policy.resources import UNKNOWN, Stack

NOT_KNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
SECRET = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270"}


def as_told(value: Any) -> Any:
    """A value as the engine tells it, with its own mark for what is not known."""
    if value is UNKNOWN:
        return NOT_KNOWN
    if isinstance(value, Mapping):
        return {key: as_told(inner) for key, inner in value.items()}
    return [as_told(inner) for inner in value] if isinstance(value, list) else value


def reports(stack: Stack) -> list[Any]:
    """What the pack says of a stack whose outputs a preview does not know."""
    analyzer = pack.Analyzer()
    analyzer.ConfigureStack(proto.AnalyzerStackConfigureRequest(stack=stack.name, config=stack.config), None)
    shown = []
    for one in stack.resources:
        told = as_told(one.inputs)
        inputs = {key: {**SECRET, "value": value} if key in one.secrets else value for key, value in told.items()}
        properties = ParseDict(inputs, Struct())
        analyzer.Analyze(proto.AnalyzeRequest(type=one.type, urn=one.urn, name=one.name, properties=properties), None)
        outputs = ParseDict({**told, "id": NOT_KNOWN, "ingress": NOT_KNOWN}, Struct())
        made_of = {key: proto.AnalyzerPropertyDependencies(urns=sorted(urns)) for key, urns in one.refers.items()}
        shown.append(
            proto.AnalyzerResource(
                type=one.type, urn=one.urn, name=one.name, properties=outputs, propertyDependencies=made_of
            )
        )
    return list(analyzer.AnalyzeStack(proto.AnalyzeStackRequest(resources=shown), None).diagnostics)
