"""Containers, of tasks and of this machine: from which image, with which rights, and without secrets."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from policy.resources import Resource, Stack
from policy.rule import rule
from policy.rules.secrets import SECRET

TASK, DOCKER = "aws:ecs/taskDefinition:TaskDefinition", "docker:index/container:Container"
FILTER = "aws:cloudwatch/logMetricFilter:LogMetricFilter"
EDGE, OF_EDGE = "edge", "Edge"
"""nginx's container, and how the metrics begin that count its lines."""
REPOSITORY, LIFECYCLE = "aws:ecr/repository:Repository", "aws:ecr/lifecyclePolicy:LifecyclePolicy"
_DIGEST = re.compile(r"(?:.+@)?sha256:[0-9a-f]{64}")
_SECRET_NAME = re.compile(
    r"PASSWORD|PASSWD|SECRET|TOKEN|CREDENTIAL|PRIVATE[_-]KEY|API[_-]?KEY|ACCESS[_-]KEY|OTLP_\w*HEADERS", re.IGNORECASE
)
_SECRET_VALUE = re.compile(
    r"://[^/\s:@]+:[^/\s@]+@|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|hooks\.slack\.com/services/|\bxox[abprs]-"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY|\beyJ[\w-]+\.eyJ[\w-]+\.|\bgh[pousr]_\w{16,}|\bgithub_pat_\w{16,}"
    r"|\bglpat-[\w-]{16,}|\bnpm_\w{30,}|\b[rs]k_(?:live|test)_\w{8,}|\bsk-[\w-]{20,}|\bAIza[\w-]{30,}"
)
_SECRET_GIVEN = re.compile(rf"(?:{_SECRET_NAME.pattern})\w*[= ]\S", re.IGNORECASE)
"""A secret's name and a value behind it, in a word of a command or in an option and the word behind it."""
_MADE_OF_SECRETS = ("random:index/randomPassword:RandomPassword", "aws:secretsmanager/secretVersion:SecretVersion")


@dataclass(frozen=True)
class Container:
    """What task definitions and Docker say of a container, in one form."""

    name: str
    image: str
    environment: Mapping[str, str]
    words: Sequence[str]
    privileged: bool
    user: str | None
    read_only: bool
    dropped: list[str]
    added: list[str]
    memory: Any
    logs: str | None
    group: str | None


def containers(resource: Resource) -> list[Container]:
    """The containers of a task definition, or the one that a Docker container is. Raises NotKnownError."""
    if resource.type == TASK:
        return [_of_task(one) for one in resource.document("containerDefinitions") or []]
    if resource.get("start") is False:  # it only holds files
        return []
    told = [text.partition("=") for text in resource.all("envs")]
    return [
        Container(
            name=resource.name,
            image=resource.get("image"),
            environment={name: value for name, _, value in told},
            words=[*resource.all("entrypoints"), *resource.all("command")],
            privileged=bool(resource.get("privileged")),
            user=resource.get("user"),
            read_only=bool(resource.get("readOnly")),
            dropped=resource.all("capabilities.drops"),
            added=resource.all("capabilities.adds"),
            memory=resource.get("memory"),
            logs=resource.get("logDriver") or "json-file",
            group=None,
        )
    ]


def _of_task(written: Mapping[str, Any]) -> Container:
    capabilities = written.get("linuxParameters", {}).get("capabilities", {})
    log = written.get("logConfiguration", {})
    return Container(
        name=written["name"],
        image=written["image"],
        environment={one["name"]: str(one["value"]) for one in written.get("environment", [])},
        words=[
            *(written.get("entryPoint") or []),
            *(written.get("command") or []),
            *written.get("healthCheck", {}).get("command", []),
        ],
        privileged=bool(written.get("privileged")),
        user=written.get("user"),
        read_only=bool(written.get("readonlyRootFilesystem")),
        dropped=capabilities.get("drop", []),
        added=capabilities.get("add", []),
        memory=written.get("memory"),
        logs=log.get("logDriver"),
        group=log.get("options", {}).get("awslogs-group"),
    )


@rule(
    "containers-by-digest",
    TASK,
    DOCKER,
    severity="high",
    todo="set web-next:image and web-next:edge to NAME@sha256:…, as the registry gives it after the push",
)
def by_digest(resource: Resource, _stack: Stack) -> Iterator[str]:
    """A container's image is named by its digest, so that what was proven is what runs"""
    for one in containers(resource):
        if not _DIGEST.fullmatch(one.image):
            yield f"{one.name} runs {one.image}"


@rule(
    "containers-unprivileged",
    TASK,
    DOCKER,
    severity="high",
    covers=["FSBP ECS.4", "FSBP ECS.5"],
    todo="drop ALL capabilities, make the root read-only, and set neither privileged nor user root",
)
def unprivileged(resource: Resource, _stack: Stack) -> Iterator[str]:
    """A container has no privileges, no capabilities, and a root that it cannot write"""
    for one in containers(resource):
        wrong = {
            "privileged": one.privileged,
            "a root that it can write": not one.read_only,
            "capabilities": one.dropped != ["ALL"] or one.added,
            f"user {one.user}": str(one.user).partition(":")[0] in ("root", "0"),
        }
        yield from (f"{one.name} has {what}" for what, is_so in wrong.items() if is_so)


@rule(
    "containers-without-secrets",
    TASK,
    DOCKER,
    severity="high",
    covers=["FSBP ECS.8"],
    todo="put it into the vault and let the process read it by its role; change what has been seen",
)
def without_secrets(resource: Resource, stack: Stack) -> Iterator[str]:
    """No secret is in a container's environment or command"""
    path = "containerDefinitions" if resource.type == TASK else "envs"
    made_of = stack.behind(resource, path, *_MADE_OF_SECRETS)
    if path in resource.secrets or made_of:
        yield f"{path} is made of a secret: {', '.join(one.name for one in made_of) or 'Pulumi marks it as one'}"
        return
    entries = {str(one.get("name")).rpartition("/")[2] for one in stack.of(SECRET)}
    for one in containers(resource):
        for name, value in one.environment.items():
            if value and (name in entries or _SECRET_NAME.search(name) or _SECRET_VALUE.search(value)):
                yield f"{one.name} has {name}, which names a secret or looks like one"
        pairs = (f"{first} {then}" for first, then in pairwise(one.words) if first[:1] == "-" != then[:1])
        if any(_SECRET_VALUE.search(word) or _SECRET_GIVEN.search(word) for word in (*one.words, *pairs)):
            yield f"{one.name} has a word in its command that looks like a secret"


@rule(
    "containers-bounded-and-logged",
    TASK,
    DOCKER,
    severity="medium",
    covers=["FSBP ECS.9"],
    todo="give the container a memory limit and a log driver",
)
def bounded_and_logged(resource: Resource, _stack: Stack) -> Iterator[str]:
    """A container has a memory limit of its own, and its output is kept"""
    for one in containers(resource):
        if not one.memory:
            yield f"{one.name} has no memory limit"
        if one.logs in (None, "none"):
            yield f"{one.name} has no log"


@rule(
    "containers-logs-apart",
    TASK,
    FILTER,
    severity="medium",
    todo="give each kind of container a log group of its own, and have filters of Edge… metrics read those of nginx",
)
def logs_apart(resource: Resource, stack: Stack) -> Iterator[str]:
    """A log group has the lines of one kind of container, and requests are counted where nginx alone writes"""
    writers: dict[str | None, set[str]] = {}
    for each in [container for task in stack.of(TASK) for container in containers(task) if container.group]:
        writers.setdefault(each.group, set()).add(each.name)
    if resource.type == FILTER:
        metrics, group = resource.every("metricTransformation.name"), resource.get("logGroupName")
        others = writers.get(group, set()) - {EDGE}
        if others and any(str(metric).startswith(OF_EDGE) for metric in metrics):
            yield f"{', '.join(metrics)} is counted in {group}, which {', '.join(sorted(others))} writes"
        return
    for one in containers(resource):
        if others := writers.get(one.group, set()) - {one.name}:
            yield f"{one.name} logs into {one.group}, and so does {', '.join(sorted(others))}"


@rule(
    "containers-registry",
    REPOSITORY,
    severity="medium",
    covers=["FSBP ECR.1", "FSBP ECR.2", "FSBP ECR.3"],
    todo="set scan_on_push and IMMUTABLE tags, and declare a LifecyclePolicy",
)
def registry(repository: Resource, stack: Stack) -> Iterator[str]:
    """A repository scans what is pushed, never moves a tag, and forgets what nobody uses"""
    if repository.get("imageScanningConfiguration.scanOnPush") is not True:
        yield "images are not scanned"
    if repository.get("imageTagMutability") != "IMMUTABLE":
        yield f"imageTagMutability {repository.get('imageTagMutability')}"
    if repository.get("forceDelete"):
        yield "forceDelete: its images go with it"
    lifecycles = [one.document("policy") for one in stack.about(LIFECYCLE, "repository", repository)]
    if not any(one["rules"] for one in lifecycles):
        yield "no lifecycle policy"
