"""The commands `cutover verify`, `cutover approve` and `cutover approvals`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cutover.commands.command import AsJson, Command, absolute, print_json, verbatim
from cutover.errors import NoGoError, UnreachableError

if TYPE_CHECKING:
    from cutover.evidence.approvals import Approvals
    from cutover.evidence.bucket import RecordsBucket
    from cutover.evidence.verification import Verified

ROLLOUT = "rollout.json"
"""What the pack of a rollout has, and no other."""
SHORTEST_ID = 12
"""Characters of an id that tell packs apart; less could be met by chance."""


@dataclass(frozen=True)
class Named:
    """A pack by what was typed: a key in the bucket, or the folder from where the command was called."""

    key: str
    folder: Path

    @classmethod
    def parse(cls, text: str) -> Named:
        return cls(text.strip("/"), absolute(text))


PackName = Annotated[
    Named,
    typer.Argument(parser=Named.parse, metavar="PACK", help="a pack's folder, or with -s its key packs/RELEASE/TIME"),
]
InBucket = Annotated[str | None, typer.Option("--stack", "-s", help="the stack in whose records bucket the pack lies")]


def _id(text: str | None) -> str | None:
    if text is not None and (len(text) < SHORTEST_ID or set(text) - set("0123456789abcdef")):
        raise typer.BadParameter(f"an id is a SHA-256 in hex, {SHORTEST_ID} characters of it at least")
    return text


Id = Annotated[str | None, typer.Option("--id", callback=_id, help="the id that the pack had when it was made")]


def add_to(app: typer.Typer) -> None:
    """Adds the three to the command line."""
    folder, key = ".local/packs/RELEASE/20261129T021500Z", "packs/RELEASE/20261129T021500Z"
    app.command(
        cls=Command,
        epilog=verbatim("Examples", f"cutover verify {folder}", f"cutover verify {key} -s prod --id 5d3f0c7a9b12"),
    )(verify)
    app.command(
        cls=Command, epilog=verbatim("Example", f"cutover approve {key} -s prod --role devops --by 'Ada Lovelace'")
    )(approve)
    app.command(
        cls=Command,
        epilog=verbatim("Examples", f"cutover approvals {key} -s prod", f"cutover approvals {folder} --json"),
    )(approvals)


def verify(pack: PackName, stack: InBucket = None, pack_id: Id = None, as_json: AsJson = False) -> None:
    """Recompute a pack's hashes, verdict and pages, and name what does not hold.

    A folder needs no network. Of a rollout's pack, rollouts/ID, the hashes are computed again. Without its id a pack
    that was made anew as a whole cannot be told from the first one.
    """
    files, _ = _files(pack, stack)
    if ROLLOUT in files:
        _verify_rollout(files, pack_id, as_json=as_json)
        return
    found, _ = _verified(pack, stack, pack_id)
    target, verdict = found.pack.document.target, found.pack.document.decision.verdict
    if as_json:
        print_json(
            {
                "id": found.pack.id,
                "release": target.digest,
                "key": found.pack.document.key,
                "verdict": verdict,
                "at": found.pack.document.at.isoformat(),
                "notes": list(found.notes),
            }
        )
        return
    for note in found.notes:
        print(f"  note  {note}")
    print(f"  {verdict}  web-next {target.version} on {target.stack}: every byte holds, and the verdict follows")
    print(f"  id {found.pack.id}")


def approve(
    pack: PackName,
    role: Annotated[Literal["devops", "backend", "frontend"], typer.Option(help="for whom")],
    by: Annotated[str, typer.Option("--by", help="the name of who approves")],
    stack: InBucket = None,
    pack_id: Id = None,
) -> None:
    """Sign a pack for one of the three roles, once and for good.

    A pack that is a NO-GO or does not verify is refused. One that is only on this machine goes to the bucket first.
    """
    from cutover.evidence import approvals as signed
    from cutover.evidence.bucket import RecordsBucket
    from cutover.evidence.form import Role
    from cutover.evidence.places import require_kept
    from cutover.smoke.finding import Outcome
    from outputs.smoke import Criterion

    found, bucket = _verified(pack, stack, pack_id)
    document = found.pack.document
    if document.report.no_go:
        stops = ", ".join(each.criterion.value for each in document.decision.stopped_by)
        raise NoGoError(f"the pack is a NO-GO ({stops}): mend what failed, run the suite, and approve that pack")
    built = next(each for each in document.decision.criteria if each.criterion is Criterion.BUILD)
    if built.outcome is Outcome.FAIL:
        raise NoGoError(
            f"the pack is not of the release that it names ({built.saw}): deploy that one, and approve its pack"
        )
    bucket = bucket or RecordsBucket.of(document.target.places)
    require_kept(bucket, found.pack)
    signer = signed.caller(document.target.places)
    given = signed.approve(bucket, document.target.digest, found.pack.id, Role(role), by, signer)
    print(f"  {given.role}: {given.by} approves web-next {document.target.version}, pack {found.pack.id[:SHORTEST_ID]}")
    print(f"  signed as {given.signer}")
    try:
        known = signed.approved(bucket, document.target.digest, found.pack.id)
    except UnreachableError as error:  # it is signed all the same
        print(f"  who else has cannot be read: {error}")
        return
    _print_who(known)


def approvals(pack: PackName, stack: InBucket = None, pack_id: Id = None, as_json: AsJson = False) -> None:
    """Print the approval record of a pack with who has signed it, and say whether all three have."""
    from cutover.evidence.approvals import approved
    from cutover.evidence.bucket import RecordsBucket
    from cutover.evidence.form import approval_form

    found, bucket = _verified(pack, stack, pack_id)
    document = found.pack.document
    given = approved(bucket or RecordsBucket.of(document.target.places), document.target.digest, found.pack.id)
    if as_json:
        by_role = {role: approval.output() for role, approval in given.given.items()}
        print_json({"complete": given.complete, "missing": given.missing, "given": by_role, "pack": found.pack.id})
        return
    print(approval_form(document, found.pack.id, given.given))
    _print_who(given)


def _print_who(known: Approvals) -> None:
    for line in known.shared:
        print(f"  caveat  {line}")
    print("  all three have approved" if known.complete else f"  still missing: {', '.join(known.missing)}")


def _verify_rollout(files: Mapping[str, bytes], pack_id: str | None, *, as_json: bool) -> None:
    """The same of a rollout's pack, which has no verdict: how it ended is in it."""
    from cutover.rollout.pack import RolloutPack

    found = RolloutPack.verified(files, pack_id)
    record = found.document.record
    if as_json:
        print_json(
            {"id": found.id, "key": found.key, "state": record.state, "release": record.releases.candidate.digest}
        )
        return
    state = record.state.replace("_", " ")
    print(f"  {state}  web-next {record.releases.candidate.version} on {record.stack}: every byte holds")
    print(f"  id {found.id}")


def _verified(pack: Named, stack: str | None, pack_id: str | None) -> tuple[Verified, RecordsBucket | None]:
    """The pack, and its bucket where it was read from there. Raises PackError when it does not verify, or lies at
    another place than its own."""
    from cutover.evidence.places import require_own_place
    from cutover.evidence.verification import verified

    files, bucket = _files(pack, stack)
    found = verified(files, pack_id)
    if bucket:
        require_own_place(bucket, pack.key, found.pack)
    return found, bucket


def _files(pack: Named, stack: str | None) -> tuple[dict[str, bytes], RecordsBucket | None]:
    """What lies under a pack's name, and the bucket where it was read from there."""
    from cutover.evidence.bucket import RecordsBucket
    from cutover.evidence.places import in_bucket, in_folder

    if stack is None:
        return in_folder(pack.folder), None
    if pack.folder.is_dir():
        raise typer.BadParameter(f"{pack.key} is a folder: leave out -s {stack}, or name the key packs/RELEASE/TIME")
    from cutover.stacks.outputs import deployed

    bucket = RecordsBucket.of(deployed(stack).places)
    return in_bucket(bucket, pack.key), bucket
