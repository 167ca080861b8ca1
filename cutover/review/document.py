"""A review as one JSON document: all that is said of a change, without a secret, and whether somebody must look."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from cutover.review.dangers import Danger
from cutover.review.drift import Drifted
from cutover.review.migrations import Pending
from cutover.review.properties import LATER, properties, readable
from cutover.review.redaction import without_secrets
from cutover.review.steps import Preview, Step
from cutover.review.verdict import Verdict
from cutover.review.way_back import WayBack

VERSIONS = ("aws:ecs/taskDefinition:TaskDefinition", "aws:secretsmanager/secretVersion:SecretVersion")
"""What is never changed, and of which a change makes the next one: AWS keeps or forgets the one before as it likes."""
_VERBS = {
    "delete": "deletes",
    "replace": "replaces",
    "renew": "renews",
    "update": "updates",
    "create": "creates",
    "import": "imports",
}
KINDS = 3
"""So many kinds of resources does the sentence name for each verb."""


@dataclass(frozen=True, kw_only=True)
class Review:
    """What is known of a change to `stack`. `shape` says why it is compared with no state, None where it is compared
    with the stack's own. `policy` and `drift` are None where nobody looked."""

    stack: str
    shape: str | None
    preview: Preview
    dangers: Sequence[Danger]
    pending: Sequence[Pending]
    back: WayBack
    policy: Verdict | None = None
    drift: Sequence[Drifted] | None = None

    @property
    def reds(self) -> list[str]:
        """What makes the gate red, a line each; empty when the change may go on."""
        return [
            *(f"the preview fails: {' '.join(text.split())}" for text in self.preview.errors),
            *(f"{one.name} is not acknowledged" for one in self.dangers if not one.acknowledged),
            *(f"policy: {_brief(line)}" for line in (self.policy.against if self.policy else ())),
            *(f"{one.file}: {line}" for one in self.pending for line in one.lint),
            *(f"drift: {one.kind} {one.name} {'is gone' if one.gone else 'differs'}" for one in self.drift or ()),
            *(
                f"{one.file} was applied with another content: write the next migration"
                for one in self.pending
                if one.edited
            ),
        ]

    def document(self) -> dict[str, Any]:
        """The whole review, redacted: nothing else of it is shown or kept."""
        changes = [_change(step) for step in self.preview.steps]
        said = {
            "schema": 1,
            "stack": self.stack,
            "shape": self.shape,
            "sentence": self._sentence(changes),
            "changes": changes,
            "same": self.preview.same,
            "dangers": [
                {"name": one.name, "op": one.op, "for": list(one.keys), "lost": one.lost}
                | {"acknowledged": one.acknowledged}
                for one in self.dangers
            ],
            "policy": asdict(self.policy) if self.policy else None,
            "migrations": [asdict(one) for one in self.pending],
            "drift": None if self.drift is None else [asdict(one) for one in self.drift],
            "back": asdict(self.back),
            "errors": list(self.preview.errors),
            "red": self.reds,
        }
        clean: dict[str, Any] = without_secrets(said)
        # Of what there is before it is redacted: two values are two changes, even where neither is shown.
        return clean | {"digest": digest(said)}

    def _sentence(self, changes: Sequence[Mapping[str, Any]]) -> str:
        if self.preview.errors:
            return "cannot be previewed"
        chosen = [one for one in changes if not one["follows"]]
        parts = [f"releases {old} → {new}" for old, new in _versions(chosen)]
        parts += [_counted(op, chosen) for op in _VERBS if any(one["op"] == op for one in chosen)]
        if self.pending:
            parts.append(f"applies {_plural(len(self.pending), 'migration')}")
        if len(chosen) < len(changes):
            parts.append(f"{len(changes) - len(chosen)} more follow")
        return "; ".join(parts) or "nothing changes"


def _brief(line: str) -> str:
    """What a policy has seen and its name, without what it is about."""
    return f"{line.partition('; ')[0]} {line[line.rindex('(') :]}"


def _versions(changes: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    each = [
        one for change in changes for one in change["properties"] if one["path"].endswith("environment[VERSION].value")
    ]
    return sorted({(str(one["old"]), str(one["new"])) for one in each})


def _counted(op: str, changes: Sequence[Mapping[str, Any]]) -> str:
    kinds = Counter(one["kind"] for one in changes if one["op"] == op)
    named = [f"{count} {kind}" for kind, count in kinds.most_common(KINDS)]
    more = sum(kinds.values()) - sum(count for _, count in kinds.most_common(KINDS))
    return f"{_VERBS[op]} {', '.join(named)}" + (f" and {more} more" if more else "")


def _plural(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def digest(document: Mapping[str, Any]) -> str:
    """What somebody approves: of everything that the update would do, and of nothing that varies from run to run."""
    facts = [
        document["shape"],
        document["changes"],
        document["migrations"],
        [one["name"] for one in document["dangers"]],
        {said: sorted(lines) for said, lines in (document["policy"] or {}).items()},
    ]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def _change(step: Step) -> dict[str, Any]:
    found = properties(step)
    inputs = {} if step.op in ("update", "replace") else readable(step.new if step.new is not None else step.old)
    return {
        "op": "renew" if step.op == "replace" and step.type in VERSIONS else step.op,
        "kind": step.kind,
        "type": step.type,
        "name": step.name,
        "urn": step.urn,
        "for": list(step.keys),
        "follows": step.op == "update" and all(one.follows for one in found),
        "properties": [asdict(one) for one in found],
        "inputs": {key: value for key, value in inputs.items() if not key.startswith("__") and value != LATER},
    }
