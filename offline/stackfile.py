"""`Pulumi.<stack>.yaml` of a docker stack: written for this machine, a person's own settings kept."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from offline.files import replace_text
from offline.images.build import ImageError, Images
from offline.machine import ROOT, Machine, MachineError

REGION = "eu-central-1"
DEFAULTS: dict[str, Any] = {
    "web-next:version": "1.5.1",
    "web-next:executorAuth": "bearer",  # the double refuses whoever shows no token
    # A rehearsal's data may go; on AWS nothing is named here, and what holds data is protected.
    "web-next:mayDestroy": ["audit", "balancer", "evidence", "records", "vault"],
}
"""Settings that a new stack file starts with and a person may change."""
CANDIDATES: dict[str, Any] = {"web-next:version": "1.5.1", "web-next:mayDestroy": ["records"]}
"""The same for a candidate, which holds nothing but its record."""
STACKS: dict[str, str | None] = {"local": None, "local-canary": "local"}
"""The stacks of a clone, and what each stands on."""
HEADER = """\
# Written by `make up` for this machine and not kept in git; settings that you add or change stay.
# `pulumi config set --path web-next:KEY VALUE -s {stack}` is the easy way. The machine's own keys are put back.
"""


class _Dumper(yaml.SafeDumper):
    """Quotes texts of digits, or of digits with an e, such as a hash: Pulumi's YAML, unlike this one, reads numbers."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    quoted = re.fullmatch(r"[\d.]+[eE]\d+|\d+", text)
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="'" if quoted else None)


_Dumper.add_representer(str, _text)


def facts(
    machine: Machine,
    images: Mapping[str, str],
    *,
    block: int,
    edge_port: int,
    prometheus_port: int,
    base: str | None = None,
) -> dict[str, Any]:
    """The settings that the machine decides. `block` is the stack's first fixed address: 10, 20, 30, …; with a
    `base` it is a candidate's, on the base's machine settings."""
    track = {"web-next:track": "candidate", "web-next:base": base} if base else {"web-next:track": "stable"}
    return {
        **track,
        "web-next:runtime": "docker",
        "web-next:account": machine.account,
        "web-next:region": REGION,
        "web-next:domain": "localhost",
        "web-next:image": images["web-next"],
        "web-next:buildSha": images["web-next"].removeprefix("sha256:")[:12],
        "web-next:machine": {
            "clone": machine.clone,
            "emulator": machine.emulator,
            "network": machine.network,
            "metricsNetwork": machine.metrics_network,
            "outsideNetwork": machine.outside_network,
            "edgeAddress": machine.address(block),
            "stableAddress": machine.address(block + 1),
            "executorAddress": machine.address(block + 2),
            "candidateAddress": machine.address(block + 3),
            "candidateWorkerAddress": machine.address(block + 7),
            "outsideAddress": machine.outside_address(block),
            "readerAddress": machine.metrics_address(block + 4),
            "prometheusAddress": machine.metrics_address(block + 5),
            "edgePort": edge_port,
            "prometheusPort": prometheus_port,
            "edgeImage": images["nginx"],
            "doubleImage": images["double"],
            "prometheusImage": images["prometheus"],
            "readerImage": images["mtail"],
            "tlsFolder": ".local/tls",
        },
    }


def merged(
    existing: Mapping[str, Any], owned: Mapping[str, Any], defaults: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The file's new content: the machine's facts over what is there over the defaults."""
    config = {**(DEFAULTS if defaults is None else defaults), **(existing.get("config") or {}), **owned}
    return {**existing, "config": config}


def write(root: Path, stack: str, content: Mapping[str, Any]) -> None:
    """Writes the stack's file whole or not at all."""
    text = HEADER.format(stack=stack) + yaml.dump(dict(content), Dumper=_Dumper, sort_keys=False)
    replace_text(root / f"Pulumi.{stack}.yaml", text)


class StackFileError(Exception):
    """A stack's file cannot be read. One line, fit for a person."""


def read(root: Path, stack: str) -> dict[str, Any]:
    """The stack's file as it is; empty when there is none. Raises StackFileError when it is no YAML."""
    path = root / f"Pulumi.{stack}.yaml"
    try:
        return dict(yaml.safe_load(path.read_text()) or {}) if path.exists() else {}
    except (yaml.YAMLError, TypeError, ValueError) as error:
        raise StackFileError(f"{path.name} is no YAML of a stack: {' '.join(str(error).split())}; mend it") from None


def main(arguments: list[str] | None = None) -> int:
    """`python -m offline.stackfile [--check]`: brings the clone's stack files up to date, or says whether they are."""
    parser = argparse.ArgumentParser(prog="offline.stackfile", description=main.__doc__)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args(arguments)
    machine, images = Machine.load(), Images().present()
    outdated = []
    for stack, base in STACKS.items():
        existing = read(ROOT, stack)
        own = facts(
            machine,
            images,
            block=10,
            edge_port=machine.edge_port,
            prometheus_port=machine.prometheus_port,
            base=base,
        )
        wanted = merged(existing, own, CANDIDATES if base else DEFAULTS)
        if existing != wanted:
            outdated.append(f"Pulumi.{stack}.yaml")
            if not options.check:
                write(ROOT, stack, wanted)
    files = ", ".join(f"Pulumi.{stack}.yaml" for stack in STACKS)
    print(f"missing or outdated: {', '.join(outdated)}" if options.check and outdated else files)
    return int(options.check and bool(outdated))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (StackFileError, MachineError, ImageError) as problem:
        sys.exit(str(problem))
