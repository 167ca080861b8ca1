"""Records what Pulumi's engine announces of changes to prod: `python -m tests.support.review_recorder [NAME…]`.

There is no account, so there is no state of prod. One is made of what a first preview says it would create, with
answers of AWS that are made up, and previewed again until what depends on them is known too. What still differs by
then, such as passwords in URLs, is left out of every record. Takes four minutes, and writes beside the comments of
tests.support.recorded_reviews.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from cutover.review.engine import STREAM
from cutover.review.properties import UNKNOWN
from tests.support.prod import ACCOUNT, ROLES, ROOT, Prod, make_prod
from tests.support.recorded_reviews import FOLDER

SECRET = "4dabf18193072939515e22adb298388d"
PROVIDER = "00000000-0000-4000-8000-000000000001"
ROUNDS = 7
VALIDATION = {
    "domainName": "console.web-next.test",
    "resourceRecordName": "_a.console.web-next.test.",
    "resourceRecordType": "CNAME",
    "resourceRecordValue": "_b.acm.test.",
}
Resource = dict[str, Any]
Event = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Change:
    """A change to prod: settings by their paths, texts of the program, a migration more."""

    settings: Mapping[str, Any] = field(default_factory=dict)
    edit: tuple[str, str, str] | None = None
    migration: bool = False


UNENCRYPTED = ("infra/audit.py", "storage_encrypted=True", "storage_encrypted=False")
REPOSITORY = f"{ACCOUNT}.dkr.ecr.eu-central-1.amazonaws.com/web-next-prod@sha256:"
CHANGES = {
    "nothing": Change(),
    "release": Change(settings={"image": REPOSITORY + "b" * 64, "buildSha": "9a8b7c6", "version": "1.5.2"}),
    "log-days": Change(settings={"logDays": "30"}),
    "larger-database": Change(settings={"database.class": "db.m7g.xlarge"}),
    "wider-access": Change(settings={"access.clients": ["198.51.100.0/24", "203.0.113.0/24"]}),
    "fewer-operators": Change(settings={"operatorRoles": ROLES[:1]}),
    "one-nat": Change(settings={"network.nat": "one"}),
    "migration": Change(migration=True),
    "tags": Change(edit=("infra/providers.py", '"managed-by": "pulumi"', '"managed-by": "pulumi", "team": "platform"')),
    "unencrypted": Change(edit=UNENCRYPTED, settings={"mayDestroy": ["audit"]}),
    "protected": Change(edit=UNENCRYPTED),
    "new-log-group": Change(edit=("infra/audit.py", "/aws/rds/instance/", "/aws/rds/instances/")),
    "replicas": Change(settings={"queues.replicas": "2"}),
    "broken": Change(settings={"domain": ""}),
}


def preview(prod: Prod, *options: str, **settings: Any) -> list[Event]:
    """The events of a preview with these settings."""
    command = ["pulumi", "preview", "--json", "--config-file", prod.file(**settings), "--stack", "prod", *options]
    done = subprocess.run(
        [*command, "--non-interactive"],
        cwd=prod.folder,
        env=prod.environment | STREAM,
        capture_output=True,
        text=True,
        check=False,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def changed(events: Sequence[Event]) -> set[str]:
    """The URNs of what is not as it was."""
    steps = [event["resourcePreEvent"]["metadata"] for event in events if "resourcePreEvent" in event]
    return {step["urn"] for step in steps if step["op"] != "same"}


def made_up(value: Any, urn: str, path: str = "") -> Any:
    """A value of an event as a state could have it: what is not known yet has an answer, always the same one."""
    kind, digest = urn.split("::")[2].rpartition("$")[2], hashlib.sha256(f"{urn}{path}".encode()).hexdigest()
    if isinstance(value, Mapping):
        if SECRET in value:
            shown = "plaintext" in value and UNKNOWN not in value["plaintext"]
            return dict(value) if shown else {SECRET: value[SECRET], "plaintext": '"made-up"'}
        return {key: made_up(inner, urn, f"{path}.{key}") for key, inner in value.items()}
    if isinstance(value, list):
        return [made_up(inner, urn, f"{path}[{index}]") for index, inner in enumerate(value)]
    if value != UNKNOWN:
        return value.replace(UNKNOWN, PROVIDER) if isinstance(value, str) else value
    match path.rpartition(".")[2]:
        case "domainValidationOptions":
            return [VALIDATION]
        case "address" | "host":
            return "127.0.0.1"
        case "port":
            return "1" if "providers" in kind else 5432
        case "endpoint" if path.endswith("access.endpoint"):
            return "127.0.0.1:5432"
        case name if name.lower().endswith("arn"):
            service = kind.split(":")[1].partition("/")[0]
            return f"arn:aws:{service}:eu-central-1:{ACCOUNT}:{urn.rpartition('::')[2]}/{digest[:16]}"
        case name:
            return f"{name}-{digest[:8]}"


def state_of(events: Sequence[Event], before: Mapping[str, Resource]) -> list[Resource]:
    """The resources of a state in which all that the preview announced is done; parents and providers come first."""
    newest: dict[str, Resource] = {}
    for event in events:
        for kind in ("resourcePreEvent", "resOutputsEvent"):
            if new := (event.get(kind) or {}).get("metadata", {}).get("new"):
                newest[new["urn"]] = new
    made = {urn: _resource(new, before.get(urn, {}).get("outputs", {})) for urn, new in newest.items()}
    for provider in [each["provider"] for each in made.values() if "provider" in each]:
        urn, _, identity = provider.rpartition("::")
        made.setdefault(urn, {"urn": urn, "custom": True, "type": urn.split("::")[2], "id": identity})
    ordered: dict[str, Resource] = {}

    def put(each: Resource) -> None:
        for needed in (each.get("parent"), each.get("provider", "").rpartition("::")[0]):
            if needed in made and needed not in ordered and needed != each["urn"]:
                put(made[needed])
        ordered[each["urn"]] = each

    for each in made.values():
        put(each)
    return list(ordered.values())


def _resource(new: Resource, before: Mapping[str, Any]) -> Resource:
    urn, outputs = new["urn"], dict(new.get("outputs") or {})
    known = {key: before[key] for key, value in outputs.items() if value == UNKNOWN and key in before}
    made = {key: new[key] for key in ("type", "urn", "parent", "protect", "retainOnDelete") if new.get(key)}
    made |= {"custom": new.get("custom", False), "inputs": made_up(new.get("inputs") or {}, urn)}
    made["outputs"] = made_up(outputs | known, urn)
    if made["custom"]:
        own = hashlib.sha256(urn.encode()).hexdigest()[:10]
        made["id"] = PROVIDER if made["type"].startswith("pulumi:providers") else f"id-{own}"
    if new.get("provider"):
        made["provider"] = new["provider"].replace(UNKNOWN, PROVIDER)
    return made


def load(prod: Prod, resources: Sequence[Resource]) -> None:
    """Makes these the stack's state."""
    salt = yaml.safe_load((prod.folder / "Pulumi.prod.yaml").read_text())["encryptionsalt"]
    deployment = {
        "manifest": {"time": "2026-01-01T00:00:00Z", "magic": "", "version": ""},
        "secrets_providers": {"type": "passphrase", "state": {"salt": salt}},
        "resources": list(resources),
    }
    (prod.folder / "state.json").write_text(json.dumps({"version": 3, "deployment": deployment}))
    done = prod.pulumi("stack", "import", "--file", str(prod.folder / "state.json"))
    assert done.returncode == 0, done.stderr


def settled(prod: Prod) -> set[str]:
    """Gives prod its state, and returns the URNs of what differs whatever is done."""
    resources: list[Resource] = []
    for _ in range(ROUNDS):
        resources = state_of(preview(prod, "--show-secrets"), {each["urn"]: each for each in resources})
        load(prod, [{key: value for key, value in each.items() if key != "protect"} for each in resources])
    left = changed(preview(prod))
    load(prod, [each if each["urn"] not in left else each | {"protect": False} for each in resources])
    return left


@contextmanager
def done_to(prod: Prod, change: Change) -> Iterator[None]:
    """The program as the change has it, for the block."""
    more = prod.folder / "migrations" / "007_outbox_note.sql"
    if change.migration:
        more.write_text((FOLDER / "migrations" / more.name).read_text())
    name, old, new = change.edit or ("__main__.py", "", "")
    kept = (prod.folder / name).read_text()
    assert old in kept
    (prod.folder / name).write_text(kept.replace(old, new) if old else kept)
    try:
        yield
    finally:
        (prod.folder / name).write_text(kept)
        more.unlink(missing_ok=True)


def kept(events: Sequence[Event], left: set[str]) -> Iterator[Event]:
    """The events that a review reads, without outputs, without what differs anyway and what stays."""
    for event in events:
        event = {key: value for key, value in event.items() if key not in ("sequence", "timestamp")}
        if step := event.get("resourcePreEvent", {}).get("metadata"):
            if step["urn"] in left or step["op"] in ("same", "create-replacement", "delete-replaced"):
                continue
            for side in (step.get("old") or {}, step.get("new") or {}):
                for needless in ("outputs", "provider"):
                    side.pop(needless, None)
            _only_differences(step)
        elif summary := event.get("summaryEvent"):
            summary.pop("PolicyPacks", None)  # has paths of this machine
        elif "policyEvent" not in event and _severity(event) not in ("error", "warning"):
            continue
        yield event


def _severity(event: Event) -> str:
    return str(event.get("diagnosticEvent", {}).get("severity", ""))


def _only_differences(step: dict[str, Any]) -> None:
    """Leaves out inputs that are the same on both sides, which a review passes over."""
    old, new = ((step.get(side) or {}).get("inputs") or {} for side in ("old", "new"))
    told = step.get("detailedDiff") or {}
    for key in [key for key in old if key in new and old[key] == new[key] and key not in told]:
        del old[key], new[key]


def main(names: Sequence[str]) -> None:
    """Records the changes named, all by default."""
    with tempfile.TemporaryDirectory(prefix="web-next-recorder-") as folder:
        prod = make_prod(Path(folder), ROOT / ".local" / "pulumi")
        left = settled(prod)
        for name in names or CHANGES:
            with done_to(prod, CHANGES[name]):
                events = preview(prod, f"--policy-pack={ROOT / 'policy'}", **CHANGES[name].settings)
            lines = [json.dumps(event, ensure_ascii=False) for event in kept(events, left)]
            (FOLDER / "recorded" / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
            print(f"  {name}: {len(lines)} events")


if __name__ == "__main__":
    main(sys.argv[1:])
