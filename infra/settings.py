"""The settings of a stack: `Pulumi.<stack>.yaml`, read once, checked whole, then frozen."""

from __future__ import annotations

import difflib
import hashlib
import json
import os
import re
from collections.abc import Mapping
from ipaddress import IPv4Address
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

NAMESPACE = "web-next"

_SHA256 = r"sha256:[0-9a-f]{64}"
_CREDENTIALS = re.compile(r"//[^/@\s]*@")


def _like(pattern: str, rule: str) -> Any:
    """A text that must match the whole pattern; `rule` is what a person is told."""
    return Field(pattern=f"^(?:{pattern})$", json_schema_extra={"rule": rule})


class SettingsError(Exception):
    """The stack's settings break one or more rules; the message has a line for each."""


class _Model(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, hide_input_in_errors=True, strict=False
    )


class MachineSettings(_Model):
    """Where a `docker` stack runs: written into the stack file by `make up`, never by hand."""

    clone: Annotated[str, _like(r"[0-9a-f]{8}", "8 hex digits")]
    emulator: Annotated[str, _like(r"http://[0-9.]+:\d+", "http://ADDRESS:PORT")]
    network: str
    edge_address: IPv4Address
    stable_address: IPv4Address
    edge_port: Annotated[int, Field(ge=1024, le=65535)]
    edge_image: Annotated[str, _like(_SHA256, "an image id, sha256:…")]
    tls_folder: str

    @property
    def authority(self) -> str:
        """The file of the authority that signed the edge's certificate."""
        return f"{self.tls_folder}/ca.pem"


class Settings(_Model):
    """All settings of one stack. Read them with :func:`of_this_stack`."""

    track: Literal["stable", "candidate"]
    base: str | None = None
    runtime: Literal["docker", "fargate"]
    account: Annotated[str, _like(r"\d{12}", "an account id, 12 digits; quote it in YAML")]
    region: Annotated[str, _like(r"[a-z]{2}(-[a-z]+)+-\d", "an AWS region, such as eu-central-1")]
    domain: Annotated[str, _like(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?", "a DNS name in lower case, without scheme or port")]
    executor_url: Annotated[str | None, _like(r"https?://[^\s@]+", "an http or https URL without credentials")] = None

    image: str
    build_sha: Annotated[str, _like(r"[0-9a-f]{7,40}", "a commit, 7 to 40 hex digits; quote it in YAML")]
    version: Annotated[str, _like(r"\d+\.\d+\.\d+", "three numbers, such as 1.5.1")]

    rate_per_minute: Annotated[int, Field(ge=1, le=6000)] = 60
    burst: Annotated[int, Field(ge=0, le=1000)] = 10
    retention_days: Annotated[int, Field(ge=1, le=3650)] = 30
    operator_roles: list[Annotated[str, Field(pattern=r"^arn:aws:iam::\d{12}:role/\S+$")]] = Field(
        default_factory=list, json_schema_extra={"rule": "a list of role ARNs, arn:aws:iam::ACCOUNT:role/NAME"}
    )

    database_class: Annotated[str, _like(r"db\.[a-z0-9]+\.[a-z0-9]+", "an RDS class, such as db.m7g.large")] = (
        "db.t4g.small"
    )
    database_storage: Annotated[int, Field(ge=20, le=65536)] = 20
    queue_node_type: Annotated[
        str, _like(r"cache\.[a-z0-9]+\.[a-z0-9]+", "an ElastiCache node type, such as cache.m7g.large")
    ] = "cache.t4g.small"

    machine: MachineSettings | None = None

    @model_validator(mode="after")
    def _fields_agree(self) -> Self:
        problems = []
        if self.track == "candidate" and not self.base:
            problems.append("track is candidate: set 'base' to the stack that owns its slot")
        if self.track == "stable" and self.base:
            problems.append("track is stable: remove 'base', only a candidate stands on another stack")
        if self.runtime == "docker" and self.machine is None:
            problems.append("runtime is docker: 'machine' is missing, 'make up' writes it")
        if self.runtime == "fargate" and self.machine is not None:
            problems.append("runtime is fargate: remove 'machine', it belongs to docker stacks")
        pinned = _SHA256 if self.runtime == "docker" else rf"[^\s@]+@{_SHA256}"
        if not re.fullmatch(pinned, self.image):
            form = "an image id sha256:…" if self.runtime == "docker" else "repository@sha256:…, never a tag"
            problems.append(f"image is {json.dumps(self.image)}: on {self.runtime} it must be {form}")
        if problems:
            raise ValueError("\n".join(problems))
        return self

    @property
    def origin(self) -> str:
        """Where the console is reached: scheme, host and port, as browsers send it."""
        return f"https://{self.domain}" + (f":{self.machine.edge_port}" if self.machine else "")

    @property
    def keeps_data(self) -> bool:
        """Whether databases and buckets outlive the stack: always, but on a machine's own stacks."""
        return self.machine is None

    def require_machine(self) -> MachineSettings:
        """The machine of a docker stack. Raises SettingsError on any other."""
        if self.machine is None:
            raise SettingsError(f"runtime is {self.runtime}: only docker stacks run on a machine")
        return self.machine

    @property
    def digest(self) -> str:
        """SHA-256 over all settings: it changes when any of them does."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


def require_supported(settings: Settings, *, preview: bool) -> None:
    """Raises SettingsError for what this version cannot bring up, before anything is declared."""
    if settings.track == "candidate":
        raise SettingsError("track is candidate: this version cannot place one yet; set web-next:track to stable")
    if settings.runtime == "fargate" and not preview:
        raise SettingsError(
            "runtime is fargate: this version can only preview its data layer; bring up a docker stack, make up"
        )


_NESTED = {"machine": MachineSettings}
_JSON = {*_NESTED, "operatorRoles"}
_KNOWN = sorted(to_camel(name) for name in Settings.model_fields)


def of_this_stack() -> Settings:
    """The settings of the stack that Pulumi runs the program for. Raises SettingsError."""
    config = json.loads(os.environ.get("PULUMI_CONFIG") or "{}")
    secret_keys = json.loads(os.environ.get("PULUMI_CONFIG_SECRET_KEYS") or "[]")
    return load(config, frozenset(secret_keys))


def load(config: Mapping[str, str], secret_keys: frozenset[str] = frozenset()) -> Settings:
    """The settings in a stack's configuration.

    `config` maps `web-next:key` to its text, objects as JSON, the way Pulumi hands them to the program; keys
    of other namespaces are left alone. Values of `secret_keys` are masked in messages.

    Raises SettingsError, with every problem found: the value seen, the rule, and the closest valid key.
    """
    values: dict[str, object] = {}
    for key, text in config.items():
        namespace, _, name = key.partition(":")
        if namespace == NAMESPACE:
            values[name] = _json(text) if name in _JSON else text
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        masked = {key.partition(":")[2] for key in secret_keys}
        lines = [
            line for problem in error.errors(include_url=False) for line in _lines(problem, values, masked).splitlines()
        ]
    raise SettingsError("\n".join([f"{len(lines)} problem(s) in this stack's settings:", *sorted(lines)]))


def _json(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _lines(problem: Mapping[str, object], values: Mapping[str, object], masked: set[str]) -> str:
    path = [str(part) for part in problem["loc"]]  # type: ignore[attr-defined]
    key = f"{NAMESPACE}:{'.'.join(path)}" if path else NAMESPACE
    if problem["type"] == "extra_forbidden":
        known = _KNOWN
        if path[0] in _NESTED and len(path) > 1:
            known = [to_camel(name) for name in _NESTED[path[0]].model_fields]
        close = difflib.get_close_matches(path[-1], known, n=1)
        advice = f"did you mean '{close[0]}'?" if close else f"valid keys: {', '.join(known)}"
        return f"  {key}: unknown key; {advice}"
    if problem["type"] == "missing":
        option = "--path " if len(path) > 1 else ""
        return f"  {key}: required, not set; pulumi config set {option}{key} VALUE"
    message = str(problem["msg"]).removeprefix("Value error, ")
    if not path:
        for name in masked & values.keys():
            message = message.replace(json.dumps(values[name]), "[secret]")
        return "\n".join(f"  {key}: {line}" for line in message.splitlines())
    value = "[secret]" if path[0] in masked else _CREDENTIALS.sub("//[secret]@", json.dumps(_at(values, path)))
    if rule := _rule(path):
        message = f"it must be {rule}"
    return f"  {key} = {value}: {message[0].lower()}{message[1:]}"


def _at(values: Mapping[str, object], path: list[str]) -> object:
    found: object = values
    for part in path:
        match found:
            case list():
                found = found[int(part)]
            case Mapping():
                found = found.get(part)
            case _:
                return None
    return found


def _rule(path: list[str]) -> str | None:
    path = [part for part in path if not part.isdecimal()]
    model = _NESTED[path[0]] if len(path) > 1 and path[0] in _NESTED else Settings
    for name, field in model.model_fields.items():
        if to_camel(name) == path[-1]:
            extras = [part.json_schema_extra for part in (field, *field.metadata) if hasattr(part, "json_schema_extra")]
            return next((str(extra["rule"]) for extra in extras if isinstance(extra, dict)), None)
    return None
