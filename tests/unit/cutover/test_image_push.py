"""`cutover image push`: what it pushes, what it prints, and what it refuses before anything is pushed."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import docker
import pytest
from botocore.stub import Stubber
from docker.errors import DockerException, ImageNotFound

from cutover import aws
from cutover.commands.app import main
from cutover.errors import ImageError
from cutover.images.registry import MANIFESTS, Registry
from cutover.stacks import project
from infra.settings.sections import FargateSettings
from tests.unit.infra.configs import ACCOUNT, FARGATE, REGION
from tests.unit.infra.parts import run

HOST = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"
PASSWORD = "a-password-that-nobody-may-see"
APP, EDGE, OTHER = ("sha256:" + letter * 64 for letter in "abc")
"""Ids of images: digests of their configurations. A manifest's digest is another."""
PUSH = ["image", "push", "-s", "prod", "web-next:1.5.1"]


def manifest(image: str) -> str:
    """The digest that the image has in a repository."""
    return image[:-4] + "beef"


@dataclass
class Image:
    """An image that Docker has."""

    id: str
    attrs: dict[str, str] = field(default_factory=lambda: {"Architecture": "amd64"})
    tags: list[str] = field(default_factory=list)

    def tag(self, repository: str, tag: str) -> None:
        self.tags.append(f"{repository}:{tag}")


@dataclass
class Docker:
    """Docker with two images, which keeps what it is asked to push; `refuses` is what a push ends with."""

    refuses: str | None = None
    pushed: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    there: dict[str, Image] = field(default_factory=lambda: {"web-next:1.5.1": Image(APP), "nginx": Image(EDGE)})

    @property
    def images(self) -> Docker:
        return self

    def get(self, name: str) -> Image:
        if name not in self.there:
            raise ImageNotFound(name)
        return self.there[name]

    def push(self, repository: str, tag: str, auth_config: dict[str, str], **how: bool) -> Iterator[dict[str, Any]]:
        assert how == {"stream": True, "decode": True}
        assert any(f"{repository}:{tag}" in image.tags for image in self.there.values())
        self.pushed.append((repository, tag, auth_config))
        yield {"status": "Pushing"}
        if self.refuses:
            yield {"error": self.refuses, "errorDetail": {"message": self.refuses}}

    def close(self) -> None:
        pass


class Ecr:
    """What ECR is expected to be asked, in this order, and answers."""

    def __init__(self, stub: Stubber) -> None:
        self._stub = stub

    def logs_in(self, host: str = HOST) -> None:
        token = base64.b64encode(f"AWS:{PASSWORD}".encode()).decode()
        granted = {"authorizationToken": token, "proxyEndpoint": f"https://{host}"}
        self._stub.add_response("get_authorization_token", {"authorizationData": [granted]}, {})

    def has(self, repository: str, image: str | None, tag: str = "1.5.1", digest: str | None = None) -> None:
        """Has this image under the tag, or none; of an index there is no configuration."""
        wanted = {
            "repositoryName": repository,
            "imageIds": [{"imageTag": tag}],
            "acceptedMediaTypes": MANIFESTS,
        }
        config = {} if digest else {"config": {"digest": image}}
        found = {
            "imageId": {"imageDigest": digest or manifest(image or ""), "imageTag": tag},
            "imageManifest": json.dumps({"schemaVersion": 2, **config}),
        }
        self._stub.add_response("batch_get_image", {"images": [found] if image else [], "failures": []}, wanted)

    def refuses(self, operation: str, code: str) -> None:
        self._stub.add_client_error(operation, code, "not for you")


@pytest.fixture
def ecr(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ecr]:
    """ECR in the place of AWS's; all that is expected must be asked."""
    client = boto3.client("ecr", region_name=REGION, aws_access_key_id="a", aws_secret_access_key="b")
    monkeypatch.setattr(aws, "client", lambda service, where: client)
    with Stubber(client) as stub:
        yield Ecr(stub)
        stub.assert_no_pending_responses()


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Docker:
    """Docker in the place of this machine's, and files of the stacks prod and canary."""
    engine = Docker()
    monkeypatch.setattr(docker, "from_env", lambda **_: engine)
    monkeypatch.setattr(project, "PROJECT", tmp_path)
    write(tmp_path, "prod")
    write(tmp_path, "canary", base="prod")
    return engine


def write(folder: Path, stack: str, **more: Any) -> None:
    """A stack's file."""
    own = {"runtime": "fargate", "account": ACCOUNT, "region": REGION, "version": "1.5.1", **more}
    config = {f"web-next:{key}": value for key, value in own.items() if value is not None}
    (folder / f"Pulumi.{stack}.yaml").write_text(json.dumps({"config": config}))


def test_the_repositories_are_those_that_the_program_declares(ecr: Ecr) -> None:
    declared = {one.inputs["name"] for one in run(FARGATE).of("aws:ecr/repository:Repository")}
    registry = Registry.of("test", FARGATE)

    assert {registry.app, registry.edge, registry.watch} == declared
    assert FARGATE["web-next:image"].startswith(f"{registry.host}/{registry.app}@")


def test_all_images_are_pushed_and_the_lines_to_commit_name_them_by_digest(
    ecr: Ecr, engine: Docker, capsys: pytest.CaptureFixture[str]
) -> None:
    ecr.logs_in()
    ecr.has("web-next-prod", None)
    ecr.has("web-next-prod-edge", None)
    ecr.has("web-next-prod-watch", None)
    ecr.has("web-next-prod", APP)
    ecr.has("web-next-prod-edge", EDGE)
    ecr.has("web-next-prod-watch", OTHER)
    engine.there["cutover"] = Image(OTHER)

    assert main([*PUSH, "--edge", "nginx", "--watch", "cutover"]) == 0
    login = {"username": "AWS", "password": PASSWORD}
    assert engine.pushed == [
        (f"{HOST}/web-next-prod", "1.5.1", login),
        (f"{HOST}/web-next-prod-edge", "1.5.1", login),
        (f"{HOST}/web-next-prod-watch", "1.5.1", login),
    ]
    assert capsys.readouterr().out.splitlines()[-5:] == [
        f"  web-next:image: {HOST}/web-next-prod@{manifest(APP)}",
        "  web-next:edge:",
        f"    image: {HOST}/web-next-prod-edge@{manifest(EDGE)}",
        "  web-next:rollout:",
        f"    watchImage: {HOST}/web-next-prod-watch@{manifest(OTHER)}",
    ]


def test_an_image_that_is_there_already_is_named_and_not_pushed_again(
    ecr: Ecr, engine: Docker, capsys: pytest.CaptureFixture[str]
) -> None:
    ecr.logs_in()
    ecr.has("web-next-prod", APP)
    ecr.has("web-next-prod", APP)

    assert main(PUSH) == 0
    assert engine.pushed == []
    assert f"web-next:image: {HOST}/web-next-prod@{manifest(APP)}\n" in capsys.readouterr().out


def test_an_image_whose_id_is_its_manifests_digest_is_known_too(ecr: Ecr, engine: Docker) -> None:
    ecr.logs_in()
    ecr.has("web-next-prod", APP, digest=APP)
    ecr.has("web-next-prod", APP, digest=APP)

    assert main(PUSH) == 0
    assert engine.pushed == []


def test_a_tag_of_another_image_is_refused_in_one_line_before_anything_is_pushed(
    ecr: Ecr, engine: Docker, capsys: pytest.CaptureFixture[str]
) -> None:
    ecr.logs_in()
    ecr.has("web-next-prod", None)
    ecr.has("web-next-prod-edge", OTHER)

    assert main([*PUSH, "--edge", "nginx"]) == ImageError.exit_code
    assert engine.pushed == []
    assert capsys.readouterr().err == (
        f"cutover: web-next-prod-edge:1.5.1 is {manifest(OTHER)} already, and nginx is another image, {EDGE}: "
        "a tag means one image for ever; push it with another --tag\n"
    )


def test_another_tag_and_a_candidates_stack_push_into_the_bases_repository(
    ecr: Ecr, engine: Docker, capsys: pytest.CaptureFixture[str]
) -> None:
    ecr.logs_in()
    ecr.has("web-next-prod", None, tag="1.5.2")
    ecr.has("web-next-prod", APP, tag="1.5.2")

    assert main(["image", "push", "-s", "canary", "web-next:1.5.1", "--tag", "1.5.2"]) == 0
    assert engine.pushed[0][:2] == (f"{HOST}/web-next-prod", "1.5.2")
    assert "Pulumi.canary.yaml" in capsys.readouterr().out


def test_nobody_sees_the_password(
    ecr: Ecr,
    engine: Docker,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("a command is run"))
    monkeypatch.setenv("HOME", str(tmp_path))
    before = sorted(tmp_path.rglob("*"))
    ecr.logs_in()
    ecr.has("web-next-prod", None)
    ecr.has("web-next-prod", APP)
    with caplog.at_level(0):
        assert main(PUSH) == 0

    assert engine.pushed[0][2]["password"] == PASSWORD
    printed = capsys.readouterr()
    assert PASSWORD not in printed.out + printed.err + caplog.text
    assert sorted(tmp_path.rglob("*")) == before


def test_what_the_registry_refuses_in_the_middle_of_a_push_is_said_in_one_line(
    ecr: Ecr, engine: Docker, capsys: pytest.CaptureFixture[str]
) -> None:
    engine.refuses = "tag invalid: The image tag '1.5.1' already exists\nand cannot be overwritten"
    ecr.logs_in()
    ecr.has("web-next-prod", None)

    assert main(PUSH) == ImageError.exit_code
    assert capsys.readouterr().err == (
        f"cutover: {HOST}/web-next-prod:1.5.1 was not pushed: tag invalid: The image tag '1.5.1' already exists and "
        "cannot be overwritten\n"
    )


def test_what_was_pushed_and_is_not_there_is_an_error(
    ecr: Ecr, engine: Docker, capsys: pytest.CaptureFixture[str]
) -> None:
    ecr.logs_in()
    ecr.has("web-next-prod", None)
    ecr.has("web-next-prod", None)

    assert main(PUSH) == ImageError.exit_code
    assert "web-next-prod:1.5.1 was pushed, and ECR does not have it" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("account", "said"),
    [
        ("999988887777", f"the credentials push to {HOST}, and the stack's file names 999988887777.dkr.ecr."),
        (ACCOUNT, "there is no repository web-next-prod in account"),
    ],
    ids=["another account", "no repository"],
)
def test_what_ecr_is_not_ready_for_is_said_before_anything_is_pushed(
    ecr: Ecr, engine: Docker, capsys: pytest.CaptureFixture[str], tmp_path: Path, account: str, said: str
) -> None:
    write(tmp_path, "prod", account=account)
    ecr.logs_in()
    if account == ACCOUNT:
        ecr.refuses("batch_get_image", "RepositoryNotFoundException")

    assert main(PUSH) == ImageError.exit_code
    assert engine.pushed == []
    assert said in capsys.readouterr().err


def test_a_login_that_aws_refuses_is_one_line(ecr: Ecr, engine: Docker, capsys: pytest.CaptureFixture[str]) -> None:
    ecr.refuses("get_authorization_token", "AccessDeniedException")

    assert main(PUSH) == ImageError.exit_code
    (line,) = capsys.readouterr().err.splitlines()
    assert "ECR does not answer (An error occurred (AccessDeniedException)" in line


@pytest.mark.usefixtures("ecr")
@pytest.mark.parametrize(
    ("image", "stack", "said"),
    [
        ("gone", {}, "Docker here has no image gone: build or pull it"),
        (
            "web-next:1.5.1",
            {"fargate": {"architecture": "ARM64"}},
            "is built for amd64, and fargate.architecture is ARM64",
        ),
        ("web-next:1.5.1", {"runtime": "docker"}, "stack prod is on docker, and its images are this machine's"),
        ("web-next:1.5.1", {"version": None}, "Pulumi.prod.yaml has no web-next:version to push the image as"),
    ],
)
def test_what_cannot_run_there_is_refused_before_aws_is_asked(
    engine: Docker, capsys: pytest.CaptureFixture[str], tmp_path: Path, image: str, stack: dict[str, Any], said: str
) -> None:
    write(tmp_path, "prod", **stack)

    assert main(["image", "push", "-s", "prod", image]) == ImageError.exit_code
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("raised", [DockerException("no\nsocket"), ConnectionError("no socket")])
def test_a_docker_that_does_not_answer_is_one_line(
    ecr: Ecr,
    engine: Docker,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    raised: Exception,
) -> None:
    def gone(**_: Any) -> None:
        raise raised

    monkeypatch.setattr(docker, "from_env", gone)

    assert main(PUSH) == ImageError.exit_code
    assert capsys.readouterr().err == "cutover: Docker does not do it (no socket): see whether it runs, docker info\n"


def test_without_a_word_tasks_have_the_architecture_that_the_program_gives_them(
    engine: Docker, ecr: Ecr, capsys: pytest.CaptureFixture[str]
) -> None:
    engine.there["web-next:1.5.1"].attrs["Architecture"] = "arm64"

    assert main(PUSH) == ImageError.exit_code
    assert f"fargate.architecture is {FargateSettings().architecture}: " in capsys.readouterr().err
