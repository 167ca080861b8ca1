"""approval.md: the playbook's Go/No-Go record (row 7), with empty lines for whoever ticks and signs later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from cutover.evidence.document import Document
from cutover.evidence.rendering import rendered, when
from cutover.smoke.decision import Verdict
from outputs.shape import Shape

MONITORING = "monitoring"
"""The check that says whether the gates' metrics are live."""


class Role(StrEnum):
    """Who signs, in the playbook's order (row 7)."""

    DEVOPS = "devops"
    BACKEND = "backend"
    FRONTEND = "frontend"


@dataclass(frozen=True, kw_only=True)
class Approval(Shape):
    """`by` says, as `role` and at a time (UTC), that the release may go, as the pack of this id proves it. The name is
    what was typed; `signer` is who AWS says it was, an ARN, empty in an approval of an earlier revision."""

    release: str
    pack: str
    role: Role
    by: str
    at: datetime
    signer: str = ""


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line of the form: ticked where it is known to be so, and what is known of it."""

    name: str
    ticked: bool = False
    saw: str = "not supplied"


@dataclass(frozen=True, kw_only=True)
class Signature:
    """A line to sign on."""

    role: str
    by: str = ""
    signer: str = ""
    when: str = ""


_NAMES = {Role.DEVOPS: "DevOps", Role.BACKEND: "Backend", Role.FRONTEND: "Frontend"}
NOBODY: Mapping[Role, Approval] = {}


def approval_form(document: Document, pack: str = "", given: Mapping[Role, Approval] = NOBODY) -> str:
    """The record of a pack as Markdown, with its id once it has one, signed by whoever has approved it."""
    signatures = [
        Signature(role=name, by=one.by, signer=one.signer, when=when(one.at))
        if (one := given.get(role))
        else Signature(role=name)
        for role, name in _NAMES.items()
    ]
    return rendered(
        "evidence/approval.md.j2",
        target=document.target,
        at=document.at,
        key=document.key,
        pack_id=pack,
        supplied=document.supplied,
        decision=document.decision,
        criteria=document.decision.criteria,
        waivers=document.target.rules.waivers,
        verdicts=list(Verdict),
        beside=[*_app_checks(document), _monitoring(document)],
        caveats=[_rollback(document), _restore(document), _on_call(document)],
        approvers=dict.fromkeys(each.by for each in given.values()),
        signatures=signatures,
    )


def _app_checks(document: Document) -> list[Line]:
    found = document.supplied.app_checks
    names = "TypeScript 0 errors", "Build clean"
    if found is None:
        return [Line(name=name) for name in names]
    errors, clean = found.typescript_errors, found.build_clean
    return [
        Line(name=names[0], ticked=errors == 0, saw=f"{errors}, says the app's CI"),
        Line(name=names[1], ticked=clean, saw=f"{'clean' if clean else 'not clean'}, says the app's CI"),
    ]


def _monitoring(document: Document) -> Line:
    for finding in document.findings:
        if finding.check == MONITORING:
            return Line(name="Monitoring live", ticked=finding.outcome.stands, saw=finding.saw)
    return Line(name="Monitoring live", saw="no check looked at it")


def _rollback(document: Document) -> Line:
    rehearsal = document.supplied.rehearsal
    if rehearsal is None:
        return Line(name="Rollback tested")
    release = "this release" if rehearsal.release == document.target.digest else f"release {rehearsal.release[:12]}"
    saw = f"{rehearsal.rollback_seconds:g} s, rehearsed with {release} at {when(rehearsal.at)}"
    return Line(name="Rollback tested", ticked=True, saw=saw)


def _restore(document: Document) -> Line:
    drill = document.supplied.drill
    return (
        Line(name="Restore tested", ticked=not drill.differences, saw=restored(document))
        if drill
        else Line(name="Restore tested")
    )


def restored(document: Document) -> str:
    """What the last restore drill came to, and how old it was when the pack was made."""
    drill = document.supplied.drill
    if drill is None:
        return "never drilled: cutover drill restore"
    age = (document.at - drill.at).days
    came = f"differs, {drill.differences[0]}" if drill.differences else f"{drill.rows} entries, the same"
    return f"{came}; {drill.seconds:g} s, {age} {'day' if age == 1 else 'days'} before this pack, at {when(drill.at)}"


def _on_call(document: Document) -> Line:
    who = document.target.on_call
    return Line(name="On-call rotation active", ticked=True, saw=who) if who else Line(name="On-call rotation active")
