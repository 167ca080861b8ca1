"""Who has signed a pack: one write-once object for each role, bound to the pack and to the release."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from cutover import aws
from cutover.errors import CutoverError, RefusedError
from cutover.evidence.bucket import ExistsError, RecordsBucket
from cutover.evidence.form import Approval, Role
from cutover.smoke.finding import now

LONGEST_NAME = 100
"""Characters: what fits on the printed form, and is written for good."""


@dataclass(frozen=True, kw_only=True)
class Approvals:
    """The approvals of one pack, by role."""

    release: str
    pack: str
    given: Mapping[Role, Approval]

    @property
    def missing(self) -> list[Role]:
        """The roles that have not signed."""
        return [role for role in Role if role not in self.given]

    @property
    def complete(self) -> bool:
        """Whether all three have signed."""
        return not self.missing

    @property
    def shared(self) -> list[str]:
        """Who has signed for several roles, a line for each signer."""
        roles: dict[str, list[Role]] = {}
        for role, approval in self.given.items():
            roles.setdefault(approval.signer, []).append(role)
        return [f"one signer for {', '.join(of)}: {signer}" for signer, of in roles.items() if signer and len(of) > 1]


def approved(bucket: RecordsBucket, release: str, pack: str) -> Approvals:
    """The approvals of the pack with this id, for the release with this digest.

    Raises what `RecordsBucket` does, and CutoverError for an object that is no approval of them.
    """
    given = {}
    for role in Role:
        key = _key(release, pack, role)
        content = bucket.get(key)
        if content is None:
            continue
        if (written := len(bucket.versions(key))) > 1:
            raise CutoverError(
                f"{bucket.at(key)} was written {written} times, and an approval is written once: look who wrote it"
            )
        try:
            approval = Approval.from_output(json.loads(content))
        except ValueError as error:
            raise CutoverError(f"{bucket.at(key)} is no approval ({error}): look who wrote it") from None
        if (approval.release, approval.pack, approval.role) != (release, pack, role):
            raise CutoverError(f"{bucket.at(key)} approves something else than its name says: look who wrote it")
        given[role] = approval
    return Approvals(release=release, pack=pack, given=given)


def approve(bucket: RecordsBucket, release: str, pack: str, role: Role, by: str, signer: str) -> Approval:
    """Signs, once and for good, as `signer`, the ARN of the caller.

    Raises RefusedError when the role has signed this pack already, CutoverError for a name that is none.
    """
    if not by.strip():
        raise CutoverError("--by is empty: an approval has the name of who gives it")
    if len(by) > LONGEST_NAME or not by.isprintable():
        raise CutoverError(f"--by is {by[:40]!a}…: a name has {LONGEST_NAME} printable characters at most, in one line")
    approval = Approval(release=release, pack=pack, role=role, by=by.strip(), at=now(), signer=signer)
    key = _key(release, pack, role)
    try:
        bucket.put_new(key, json.dumps(approval.output(), indent=2, sort_keys=True, ensure_ascii=False).encode())
    except ExistsError:
        before = approved(bucket, release, pack).given.get(role)
        if before is None:  # taken away since
            raise
        if before == approval:  # it was stored, its answer was lost, and the client tried again
            return approval
        raise RefusedError(
            f"{role} has approved this pack already: {before.by}, {before.at:%Y-%m-%d %H:%M} UTC; an approval is "
            "written once"
        ) from None
    return approval


def caller(where: aws.Where) -> str:
    """The ARN of whose credentials these are, as STS says. Raises what the call does."""
    return str(aws.client("sts", where).get_caller_identity()["Arn"])


def _key(release: str, pack: str, role: Role) -> str:
    return f"approvals/{release}/{pack}/{role}.json"
