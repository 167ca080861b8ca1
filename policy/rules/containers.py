"""Containers, of tasks and of this machine: from which image, with which rights, and without secrets."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from policy.resources import Resource, Stack
from policy.rule import rule
from policy.rules.secrets import SECRET

TASK, DOCKER = "aws:ecs/taskDefinition:TaskDefinition", "docker:index/container:Container"
REPOSITORY, LIFECYCLE = "aws:ecr/repository:Repository", "aws:ecr/lifecyclePolicy:LifecyclePolicy"
_DIGEST = re.compile(r"(?:.+@)?sha256:[0-9a-f]{64}")
_SECRET_NAME = re.compile(r"PASSWORD|PASSWD|SECRET|TOKEN|CREDENTIAL|PRIVATE_KEY|API_?KEY|ACCESS_KEY", re.IGNORECASE)
_SECRET_VALUE = re.compile(
    r"://[^/\s:@]+:[^/\s@]+@|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|hooks\.slack\.com/services/|\bxox[abprs]-"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY|\beyJ[\w-]+\.eyJ[\w-]+\.|\bgh[pousr]_\w{20,}"
)
_MADE_OF_SECRETS = ("random:index/randomPassword:RandomPassword", "aws:secretsmanager/secretVersion:SecretVersion")


@dataclass(frozen=True)
class Container:
    """What task definitions and Docker say of a container, in one form."""

    name: str
    image: str
    environment: Mapping[str, str]
    privileged: bool
    user: str | None
    read_only: bool
    dropped: list[str]
    added: list[str]
    memory: Any
    logs: str | None


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
            privileged=bool(resource.get("privileged")),
            user=resource.get("user"),
            read_only=bool(resource.get("readOnly")),
            dropped=resource.all("capabilities.drops"),
            added=resource.all("capabilities.adds"),
            memory=resource.get("memory"),
            logs=resource.get("logDriver") or "json-file",
        )
    ]


def _of_task(written: Mapping[str, Any]) -> Container:
    capabilities = written.get("linuxParameters", {}).get("capabilities", {})
    return Container(
        name=written["name"],
        image=written["image"],
        environment={one["name"]: str(one["value"]) for one in written.get("environment", [])},
        privileged=bool(written.get("privileged")),
        user=written.get("user"),
        read_only=bool(written.get("readonlyRootFilesystem")),
        dropped=capabilities.get("drop", []),
        added=capabilities.get("add", []),
        memory=written.get("memory"),
        logs=written.get("logConfiguration", {}).get("logDriver"),
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
        if has := [what for what, is_so in wrong.items() if is_so]:
            yield f"{one.name} has {', '.join(has)}"


@rule(
    "containers-without-secrets",
    TASK,
    DOCKER,
    severity="high",
    covers=["FSBP ECS.8"],
    todo="put it into the vault and let the process read it by its role; change what has been seen",
)
def without_secrets(resource: Resource, stack: Stack) -> Iterator[str]:
    """No secret is in a container's environment"""
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
