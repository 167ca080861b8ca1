"""An image of this machine on its way into a stack's repository."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from cutover.errors import ImageError
from cutover.images.registry import Registry

SECONDS = 120
"""For one answer of Docker, which tells of each part of an upload as it goes."""
ARCHITECTURES = {"amd64": "X86_64", "arm64": "ARM64"}
"""What Docker calls them, and what Fargate does."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """An image that Docker here has as `name`, and the `repository` that it is to be in."""

    name: str
    repository: str


def push(
    wanted: list[Wanted],
    tag: str,
    registry: Registry,
    docker: Any,
    *,
    architecture: str,
    say: Callable[[str], None],
) -> list[str]:
    """Pushes what is not there yet, and returns each image as a stack's file names it, by its digest.

    Raises ImageError before anything is pushed where Docker has no such image, where it is not built for the
    `architecture` of the stack's tasks, or where the tag is another image's; else where the push is refused.
    """
    with _said():
        images = [_image(docker, one.name, architecture) for one in wanted]
    login = registry.login()
    missing = []
    for one, image in zip(wanted, images, strict=True):
        kept = registry.find(one.repository, imageTag=tag)
        if kept and not kept.is_of(image.id):
            raise ImageError(
                f"{one.repository}:{tag} is {kept.digest} already, and {one.name} is another image, {image.id}: a tag "
                "means one image for ever; push it with another --tag"
            )
        if kept is None:
            missing.append((one, image))
    for one, image in missing:
        say(f"{one.name} goes to {one.repository}:{tag}")
        address = f"{registry.host}/{one.repository}"
        with _said():
            image.tag(address, tag)
            _send(docker, address, tag, login)
    return [f"{registry.host}/{one.repository}@{_digest(registry, one.repository, tag)}" for one in wanted]


def connected() -> Any:
    """A client of the Docker that the environment names, by default this machine's. Raises ImageError without one."""
    import docker

    with _said():
        return docker.from_env(timeout=SECONDS)


def _image(docker: Any, name: str, architecture: str) -> Any:
    from docker.errors import ImageNotFound

    try:
        image = docker.images.get(name)
    except ImageNotFound:
        raise ImageError(
            f"Docker here has no image {name}: build or pull it, docker images lists what is there"
        ) from None
    built = str(image.attrs["Architecture"])
    if ARCHITECTURES.get(built, built) != architecture:
        raise ImageError(
            f"{name} is built for {built}, and fargate.architecture is {architecture}: build it for that, or set it"
        )
    return image


def _send(docker: Any, address: str, tag: str, login: Mapping[str, str]) -> None:
    # The password goes to Docker with the request: no argument, no variable and no file of a docker login has it.
    for line in docker.images.push(address, tag=tag, auth_config=dict(login), stream=True, decode=True):
        if refused := line.get("error"):
            raise ImageError(f"{address}:{tag} was not pushed: {' '.join(str(refused).split())}")


def _digest(registry: Registry, repository: str, tag: str) -> str:
    kept = registry.find(repository, imageTag=tag)
    if kept is None:
        raise ImageError(f"{repository}:{tag} was pushed, and ECR does not have it: push it again")
    return kept.digest


@contextmanager
def _said() -> Iterator[None]:
    from docker.errors import DockerException

    try:
        yield
    except (DockerException, OSError) as error:  # what its HTTP client raises is an OSError
        raise ImageError(
            f"Docker does not do it ({' '.join(str(error).split())}): see whether it runs, docker info"
        ) from None
