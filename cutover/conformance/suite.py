"""The contract's rules in their order, checked on a running image, and the report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from cutover.conformance import answers, figures, metrics, routes
from cutover.conformance.image import BrokenError, Image, SkippedError

RULES: dict[str, Callable[[Image], str]] = {
    "healthz": answers.healthz,
    "api-healthz": answers.api_healthz,
    "security-headers": answers.security_headers,
    "home": answers.home,
    "dashboard": answers.dashboard,
    "trace-kept": answers.trace_kept,
    "trace-replaced": answers.trace_replaced,
    "errors": answers.errors,
    "invalid-json": answers.invalid_json,
    "body-limit": answers.body_limit,
    "audit-push": routes.audit_push,
    "audit-details": routes.audit_details,
    "audit-idempotency": routes.audit_idempotency,
    "audit-list": routes.audit_list,
    "evidence": routes.evidence,
    "queue": routes.queue,
    "dead-letters": routes.dead_letters,
    "queue-action": routes.queue_action,
    "webhook": routes.webhook,
    "guardrails": routes.guardrails,
    "snapshot": routes.snapshot,
    "mock-mark": answers.mock_mark,
    "metric-names": metrics.metric_names,
    "metric-labels": metrics.metric_labels,
    "metric-bounds": metrics.metric_bounds,
    "log-figures": figures.log_figures,
}
"""The rules by name, in the order in which they are checked: later ones look at what earlier ones wrote."""


class Result(NamedTuple):
    """One rule's outcome; `seen` is what was seen, in a line."""

    rule: str
    outcome: Literal["pass", "fail", "skip"]
    seen: str


@dataclass(frozen=True)
class Report:
    """What was found of the image at `url`."""

    url: str
    results: tuple[Result, ...]

    @property
    def broken(self) -> list[str]:
        """The rules that do not hold."""
        return [result.rule for result in self.results if result.outcome == "fail"]

    def table(self) -> str:
        """The report for a terminal: a line for each rule."""
        return "\n".join(f"  {outcome.upper()}  {rule:<18} {seen}" for rule, outcome, seen in self.results)

    def document(self) -> dict[str, Any]:
        """The report as JSON-ready values."""
        return {
            "url": self.url,
            "holds": not self.broken,
            "rules": [result._asdict() for result in self.results],
        }


def check(image: Image, url: str) -> Report:
    """Every rule's outcome; one that fails does not stop the others."""
    return Report(url, tuple(_result(name, rule, image) for name, rule in RULES.items()))


def _result(name: str, rule: Callable[[Image], str], image: Image) -> Result:
    try:
        return Result(name, "pass", rule(image))
    except BrokenError as broken:
        return Result(name, "fail", str(broken))
    except SkippedError as skipped:
        return Result(name, "skip", str(skipped))
