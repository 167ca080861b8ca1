"""The account's own stack, which comes before every other: its file, its state and the copy of it, what it puts out."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from pulumi import automation as auto

from cutover import aws
from cutover.errors import CutoverError, NotPreparedError, NotReadyError
from cutover.review.shape import scratch_copy
from cutover.stacks.causes import cause, no_pulumi
from cutover.stacks.engine import Engine
from cutover.stacks.progress import Progress
from cutover.stacks.project import PROJECT, has_standins
from outputs import partition

STACK, COPY = "account", "bootstrap.json"
FOLDER = PROJECT / "bootstrap"
PLACEHOLDERS = {"account": "111122223333", "repository": "^example[@/]", "hostedZones": "Z0{20}"}
"""A pattern of what the committed file has until somebody puts the real values there."""
_OWNER, _NAME = "[A-Za-z0-9-]+", "[A-Za-z0-9._-]+"
_BUCKET = re.compile("(?!web-next-)[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
_ZONE = re.compile(r"Z[A-Z0-9]+")
FORMS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "account": (lambda value: bool(re.fullmatch("[0-9]{12}", str(value))), "an account id, 12 digits, in quotes"),
    "region": (
        lambda value: bool(re.fullmatch("[a-z]{2,4}(-[a-z]+)+-[0-9]", str(value))),
        "an AWS region, such as eu-central-1",
    ),
    "repository": (
        lambda value: bool(re.fullmatch(f"{_OWNER}/{_NAME}|{_OWNER}@[0-9]+/{_NAME}@[0-9]+", str(value))),
        "the one repository at GitHub whose runs take the roles on, as its tokens name it: OWNER@ID/NAME@ID, or "
        "OWNER/NAME where they have no ids",
    ),
    "hostedZones": (
        lambda value: isinstance(value, list) and all(_ZONE.fullmatch(str(one)) for one in value),
        "a list of hosted zones' ids, Z…, each by itself: whoever deploys writes records there",
    ),
    "evidenceBuckets": (
        lambda value: isinstance(value, list) and all(_BUCKET.fullmatch(str(one)) for one in value),
        "a list of buckets' names, none that begins with web-next-: what the account's stacks have as evidenceBucket",
    ),
    "githubProvider": (lambda value: isinstance(value, bool), "true or false"),
}
"""Of each key what a value must be like, and what a person is told."""


@dataclass(frozen=True, kw_only=True)
class AccountFile:
    """What the stack's file says: where it is made."""

    account: str
    region: str
    repository: str

    @classmethod
    def read(cls) -> Self:
        """Raises NotReadyError that names the first key without a real value, or with one of another form."""
        import yaml

        file = FOLDER / f"Pulumi.{STACK}.yaml"
        said = (yaml.safe_load(file.read_text()) or {}).get("config", {})
        told = {key: said.get(f"web-next:{key}") for key in FORMS}
        for key, value in told.items():
            unreal = PLACEHOLDERS.get(key)
            if value is None or (unreal and re.search(unreal, str(value))):
                raise NotReadyError(
                    f"{key} is {'not set' if value is None else json.dumps(value)}: the account's own stack needs the "
                    f"real one; put it into {file.parent.name}/{file.name} and commit it"
                )
            fits, form = FORMS[key]
            if not fits(value):
                raise NotReadyError(
                    f"{key} is {json.dumps(value, default=str)}: it must be {form}; mend it in {file.parent.name}/"
                    f"{file.name} and commit it"
                )
        if refused := partition.refusal(str(told["region"])):
            raise NotReadyError(refused)
        return cls(**{key: str(told[key]) for key in ("account", "region", "repository")})

    def client(self, service: str) -> Any:
        """A client of AWS there, with the credentials of the environment."""
        return aws.client(service, aws.Account(region=self.region))


@dataclass(frozen=True)
class Bootstrap:
    """The stack that the file tells of, whose own state lies in `home`: the bucket that it makes cannot keep it."""

    told: AccountFile
    home: Path
    progress: Progress = field(default_factory=Progress)

    @classmethod
    def of(cls, told: AccountFile) -> Self:
        """With its state in a folder of the person's, outside of any clone.

        Raises NotPreparedError where the providers are stand-ins, NotReadyError for credentials of another account.
        """
        if has_standins():
            raise NotPreparedError(
                f"PULUMI_HOME is the clone's own, with stand-in providers, and account {told.account} is on AWS: use a "
                "shell without .local/env"
            )
        with _said("STS"):
            account = told.client("sts").get_caller_identity()["Account"]
        if account != told.account:
            raise NotReadyError(
                f"the credentials are of account {account}, and the file names {told.account}: use credentials of that "
                "account, of somebody who may make roles there"
            )
        return cls(told, Path.home() / ".web-next" / told.account)

    @property
    def bucket(self) -> str:
        """What `bootstrap/` calls the bucket of the states."""
        return f"web-next-state-{self.told.account}"

    def preview(self) -> None:
        """Prints what an update would change. It writes nothing: the program and the state are looked at in a copy."""
        with tempfile.TemporaryDirectory(prefix="web-next-bootstrap-") as name:
            program, state = Path(name, "program"), Path(name, "state")
            program.mkdir()
            scratch_copy(program)
            shutil.copytree(FOLDER, program / FOLDER.name, ignore=shutil.ignore_patterns("__pycache__"))
            if self.home.exists():
                shutil.copytree(self.home, state)
            with self._opened(program / FOLDER.name, state) as stack:
                stack.preview(on_event=self.progress)

    def up(self) -> Mapping[str, Any]:
        """Brings the stack up and returns its outputs. Its state is copied into the bucket, whatever became of it."""
        with self._opened(FOLDER, self.home) as stack:
            try:
                stack.up(on_event=self.progress)
            except BaseException:
                with suppress(CutoverError, auto.errors.CommandError):  # why the update ended says more
                    self._keep(stack.export_stack())
                raise
            self._keep(stack.export_stack())
            return {name: output.value for name, output in stack.outputs().items()}

    @contextmanager
    def _opened(self, program: Path, state: Path) -> Iterator[auto.Stack]:
        """The stack, with the newer one of the state that is here and of the bucket's copy."""
        state.mkdir(parents=True, exist_ok=True, mode=0o700)
        environment = {"PULUMI_BACKEND_URL": state.as_uri(), "PULUMI_CONFIG_PASSPHRASE": ""}
        try:
            options = auto.LocalWorkspaceOptions(env_vars=environment, pulumi_command=Engine())
            stack = auto.create_or_select_stack(STACK, work_dir=str(program), opts=options)
            copy = self._copy()
            if copy and _written(copy) > _written(stack.export_stack()):
                stack.import_stack(copy)
            yield stack
        except FileNotFoundError:
            raise no_pulumi() from None
        except auto.errors.CommandError as error:
            raise cause(STACK, str(error), self.progress.problems) from None

    def _copy(self) -> auto.Deployment | None:
        store = self.told.client("s3")
        with _said("S3"):
            try:
                kept = store.get_object(Bucket=self.bucket, Key=COPY)["Body"].read()
            except (store.exceptions.NoSuchBucket, store.exceptions.NoSuchKey):
                return None
        return auto.Deployment(**json.loads(kept))

    def _keep(self, state: auto.Deployment) -> None:
        store = self.told.client("s3")
        with _said("S3"):
            try:
                written = json.dumps({"version": state.version, "deployment": state.deployment}).encode()
                store.put_object(Bucket=self.bucket, Key=COPY, Body=written, ContentType="application/json")
            except store.exceptions.NoSuchBucket:
                return  # the update came to no bucket


def _written(state: auto.Deployment) -> datetime:
    """When a state was written; Pulumi notes it in the time zone of where it ran. A state of nothing is the oldest."""
    noted = ((state.deployment or {}).get("manifest") or {}).get("time")
    return datetime.fromisoformat(noted) if noted else datetime.min.replace(tzinfo=UTC)


@contextmanager
def _said(service: str) -> Iterator[None]:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError) as error:
        said = " ".join(str(error).split())
        raise CutoverError(f"{service} does not do it ({said}); the credentials are the environment's") from None
