"""The command `cutover image push`."""

from __future__ import annotations

from typing import Annotated

import typer

from cutover.commands.command import Command, Stack, verbatim
from cutover.errors import ImageError


def add_to(app: typer.Typer) -> None:
    """Adds the group `image` to the command line."""
    group = typer.Typer(help="Push images to where a stack on AWS runs them from.")
    example = "cutover image push -s prod web-next:1.5.1 --edge nginx:1.28 --watch cutover:1.5.1"
    group.command(cls=Command, epilog=verbatim("Example", example))(push)
    group.callback()(_group)
    app.add_typer(group, name="image")


def _group() -> None:
    """Keeps `push` a verb of its own: a group of one command would be the command."""


def push(
    stack: Stack,
    image: Annotated[str, typer.Argument(metavar="IMAGE", help="the app's, as docker images names it")],
    edge: Annotated[str | None, typer.Option(metavar="NGINX", help="nginx's, to be pushed too")] = None,
    watch: Annotated[str | None, typer.Option(metavar="CUTOVER", help="cutover's own, to be pushed too")] = None,
    tag: Annotated[str | None, typer.Option(metavar="VERSION", help="by default web-next:version of the file")] = None,
) -> None:
    """Push images of this machine to a stack's repositories.

    Prints the lines to commit into the stack's file, by digest. What is there already is not pushed again. A tag means
    one image for ever: for another image under it nothing is pushed.
    """
    from cutover.images.push import Wanted, connected
    from cutover.images.push import push as push_all
    from cutover.images.registry import Registry
    from cutover.stacks.project import config

    own = config(stack)
    registry = Registry.of(stack, own)
    fargate = config(own.get("web-next:base", stack)).get("web-next:fargate") or {}
    if (version := tag or own.get("web-next:version")) is None:
        raise ImageError(f"Pulumi.{stack}.yaml has no web-next:version to push the image as: set it, or give --tag")
    wanted = [Wanted(name=image, repository=registry.app)]
    wanted += [Wanted(name=edge, repository=registry.edge)] if edge else []
    wanted += [Wanted(name=watch, repository=registry.watch)] if watch else []
    docker = connected()
    try:
        names = push_all(
            wanted,
            str(version),
            registry,
            docker,
            architecture=fargate.get("architecture", "X86_64"),
            say=lambda line: print(f"  {line}", flush=True),
        )
    finally:
        docker.close()
    print(f"  commit into Pulumi.{stack}.yaml, below config, and the images' commit as web-next:buildSha:")
    print(f"  web-next:image: {names[0]}")
    if edge:
        print(f"  web-next:edge:\n    image: {names[1]}")
    if watch:
        print(f"  web-next:rollout:\n    watchImage: {names[-1]}")
