"""The rules as a policy pack: what Pulumi's engine asks of one, answered by the verdict.

pulumi-policy does not hand on the stack's configuration, nor which inputs are secret; the engine sends both.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any

import grpc
from google.protobuf.empty_pb2 import Empty
from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct
from pulumi.runtime.proto import analyzer_pb2 as proto
from pulumi.runtime.proto import analyzer_pb2_grpc, plugin_pb2

from policy.exceptions import KEPT
from policy.resources import ID_INPUTS, Resource, Stack
from policy.rule import Rule, Severity
from policy.rules import ALL
from policy.values import is_secret, plain
from policy.verdict import Level, judge

NAME, VERSION = "web-next", "0.1.0"
"""As in PulumiPolicy.yaml."""
_LEVELS: Mapping[Level, proto.EnforcementLevel.ValueType] = {
    "mandatory": proto.MANDATORY,
    "advisory": proto.ADVISORY,
    "disabled": proto.DISABLED,
}
_SEVERITIES: Mapping[Severity, proto.PolicySeverity.ValueType] = {
    "high": proto.POLICY_SEVERITY_HIGH,
    "medium": proto.POLICY_SEVERITY_MEDIUM,
    "low": proto.POLICY_SEVERITY_LOW,
}
_LARGEST = 400 << 20
"""Bytes of a message, as Pulumi's own packs have it."""


class Analyzer(analyzer_pb2_grpc.AnalyzerServicer):
    """Judges a stack once, by what its resources are declared as.

    The engine shows a stack with its outputs, of which a preview knows little and AWS adds much; the inputs it shows
    before, of one resource after the other.
    """

    def __init__(self) -> None:
        self._stack, self._config = "", dict[str, str]()
        self._declared: dict[str, Struct] = {}

    def ConfigureStack(self, request: Any, _context: Any) -> Any:  # noqa: N802
        self._stack, self._config = request.stack, dict(request.config)
        return proto.AnalyzerStackConfigureResponse()

    def Configure(self, _request: Any, _context: Any) -> Any:  # noqa: N802
        return Empty()

    def GetPluginInfo(self, _request: Any, _context: Any) -> Any:  # noqa: N802
        return plugin_pb2.PluginInfo(version=VERSION)

    def GetAnalyzerInfo(self, _request: Any, _context: Any) -> Any:  # noqa: N802
        return proto.AnalyzerInfo(name=NAME, version=VERSION, policies=[_info(one) for one in (*ALL, KEPT)])

    def Remediate(self, _request: Any, _context: Any) -> Any:  # noqa: N802
        return proto.RemediateResponse()

    def Analyze(self, request: Any, _context: Any) -> Any:  # noqa: N802
        self._declared[request.urn] = request.properties
        return proto.AnalyzeResponse()

    def AnalyzeStack(self, request: Any, _context: Any) -> Any:  # noqa: N802
        resources = [self._resource(one) for one in request.resources]
        stack = Stack(name=self._stack, resources=resources, config=self._config)
        return proto.AnalyzeResponse(diagnostics=list(_diagnostics(stack)))

    def _resource(self, shown: Any) -> Resource:
        outputs = MessageToDict(shown.properties)
        inputs = MessageToDict(self._declared[shown.urn]) if shown.urn in self._declared else outputs
        texts = [told.get(key) for told in (inputs, outputs) for key in ("id", *ID_INPUTS)]
        return Resource(
            type=shown.type,
            name=shown.name,
            urn=shown.urn,
            inputs=plain(inputs),
            parent=shown.parent,
            provider=shown.provider.urn,
            protect=shown.options.protect,
            secrets=frozenset(key for key, value in inputs.items() if is_secret(value)),
            refers={key: frozenset(made_of.urns) for key, made_of in shown.propertyDependencies.items()},
            ids=frozenset(text for text in texts if isinstance(text, str)),
        )


def serve() -> None:
    """Serves until the engine ends the process, and says on which port, as the engine waits for it."""
    server = grpc.server(ThreadPoolExecutor(1), options=[("grpc.max_receive_message_length", _LARGEST)])
    analyzer_pb2_grpc.add_AnalyzerServicer_to_server(Analyzer(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    server.wait_for_termination()


def _info(rule: Rule) -> Any:
    return proto.PolicyInfo(
        name=rule.id,
        description=_about(rule),
        enforcementLevel=proto.MANDATORY,
        severity=_SEVERITIES[rule.severity],
        policy_type=proto.POLICY_TYPE_STACK,
    )


def _diagnostics(stack: Stack) -> Iterator[Any]:
    verdict = judge(stack, date.today())
    for finding, level in verdict.findings:
        yield _said(finding.rule, finding.resource, level, f"{finding.resource.name}: {finding.seen}")
    for finding, why in verdict.stands:
        seen = f"{finding.resource.name}: {finding.seen}; let stand until {why.expires} by {why.owner}: {why.reason}"
        yield _said(finding.rule, finding.resource, "advisory", seen)
    for one in verdict.unchecked:
        seen = f"{one.resource.name}: unchecked, {one.path} of {one.of.name} is not known yet"
        yield _said(one.rule, one.resource, "advisory", seen)


def _said(rule: Rule, resource: Resource, level: Level, seen: str) -> Any:
    return proto.AnalyzeDiagnostic(
        policyName=rule.id,
        policyPackName=NAME,
        policyPackVersion=VERSION,
        description=_about(rule),
        message=f"{_about(rule)}\n{seen}",
        urn=resource.urn,
        enforcementLevel=_LEVELS[level],
        severity=_SEVERITIES[rule.severity],
    )


def _about(rule: Rule) -> str:
    return f"{rule.says}: {rule.todo}"
