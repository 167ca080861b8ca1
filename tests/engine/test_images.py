"""The images as containers: what survives, what is not in them, and how each ends."""

from __future__ import annotations

import json
import re
import secrets
import socket
import subprocess
import time
from pathlib import Path

import pytest

from offline.images.build import NAMES, Images, build_all
from tests.support.containers import address, container, docker, healthy, wait_until

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def built() -> dict[str, str]:
    return build_all()


def test_redis_keeps_what_was_written_and_rewrites_no_configuration(built: dict[str, str]) -> None:
    volume = f"web-next-test-{secrets.token_hex(4)}"
    try:
        with container(built["redis"], "--volume", f"{volume}:/data") as name:
            wait_until(lambda: redis(name, "PING") == "+PONG", "Redis")
            assert redis(name, "SET key kept") == "+OK"
            assert redis(name, "CONFIG REWRITE").startswith("-ERR The server is running without a config file")
            assert "noeviction" in redis(name, "CONFIG GET maxmemory-policy")
            began = time.monotonic()
            docker("stop", "--time", "20", name)
            assert time.monotonic() - began < 15, "it had to be killed"
            docker("start", name)
            wait_until(lambda: redis(name, "GET key") == "$4\r\nkept", "Redis after a restart")
    finally:
        docker("volume", "rm", "--force", volume)


def redis(name: str, command: str) -> str:
    with socket.create_connection((address(name), 6379), 2) as connection:
        connection.sendall(command.encode() + b"\r\n")
        return connection.recv(4096).decode().strip()


@pytest.mark.parametrize("name", NAMES)
def test_an_image_carries_no_key_and_nothing_of_the_machine_that_built_it(built: dict[str, str], name: str) -> None:
    config = json.loads(docker("image", "inspect", "--format", "{{json .Config}}", built[name]))
    settings = config.get("Env") or []
    variables = [setting.partition("=")[0] for setting in settings]
    assert not [key for key in variables if any(word in key for word in ("KEY", "SECRET", "PASSWORD"))]
    assert not [
        setting for setting in settings if re.search(r"://[^/@\s]*:[^/@\s]*@|AKIA[0-9A-Z]{16}|-----BEGIN", setting)
    ]
    script = (
        (
            "find / -xdev -type f ( -name *.key -o -name *-key.pem -o -name .netrc ) -not -path '/proc/*';"
            "ls /var/lib/apt/lists; cat /etc/machine-id"
        )
        .replace("(", r"\(")
        .replace(")", r"\)")
        .replace("*.key", "'*.key'")
        .replace("*-key", "'*-key'")
    )
    found = docker("run", "--rm", "--user", "0", "--entrypoint", "sh", built[name], "-c", script)
    assert found == ""


@pytest.mark.parametrize("name", NAMES)
def test_an_image_tells_its_debian_packages_and_their_versions(built: dict[str, str], name: str) -> None:
    listed = docker("run", "--rm", "--entrypoint", "dpkg-query", built[name], "-W", "-f", "${Package} ${Version}\\n")
    versions = dict(line.split(" ") for line in listed.splitlines())
    own = {"postgres": "postgresql-17", "redis": "redis-server", "double": "python3", "web-next": "python3"}
    assert versions["base-files"]
    assert versions[own.get(name, name if name != "base" else "dpkg")]


@pytest.mark.parametrize("name", ["postgres", "redis", "web-next"])
def test_a_service_does_not_run_as_root(built: dict[str, str], name: str) -> None:
    assert docker("image", "inspect", "--format", "{{.Config.User}}", built[name]) not in ("", "0", "root")


IMPORT_ALL = """
import importlib, os, pkgutil, sys, webnext
found = [module.name for module in pkgutil.walk_packages(webnext.__path__, "webnext.")]
for name in [*found, "bullmq", "httptools", "msgpack", "opentelemetry.exporter.otlp.proto.http.trace_exporter"]:
    if not name.endswith("__main__"):
        importlib.import_module(name)
import psycopg, uvloop
assert psycopg.pq.__impl__ == "binary", psycopg.pq.__impl__
sources = {getattr(module, "__file__", None): module for module in sys.modules.values()}
ours = [path for path in sources if path and path.startswith("/opt/web-next") and path.endswith(".py")]
print(len(ours), [path for path in ours if not os.path.exists(sources[path].__cached__)])
"""
AWS = """
import boto3, botocore.exceptions
for service in ("s3", "secretsmanager", "ssm", "sts"):
    boto3.client(service, region_name="eu-central-1")
try:
    boto3.client("ec2", region_name="eu-central-1")
except botocore.exceptions.UnknownServiceError:
    print("no others")
"""


def confined(image: str, *command: str) -> str:
    """What a command prints in a container as the runtime makes it, without a network."""
    return docker("run", "--rm", "--read-only", "--network=none", "--cap-drop=ALL", image, *command)


def test_all_that_the_service_imports_is_there_and_compiled(built: dict[str, str]) -> None:
    count, stale = confined(built["web-next"], "python3", "-c", IMPORT_ALL).splitlines()[-1].split(maxsplit=1)
    assert int(count) > 300
    assert stale == "[]", "a read-only root would have these compiled at every start"


def test_the_service_knows_the_four_services_of_aws_that_it_calls_and_no_others(built: dict[str, str]) -> None:
    assert confined(built["web-next"], "python3", "-c", AWS) == "no others"


def test_the_services_image_has_the_services_files_and_nothing_to_build_or_test_with(built: dict[str, str]) -> None:
    listed = confined(built["web-next"], "find", "/opt/web-next", "/usr/bin", "/usr/local", "-type", "f").splitlines()
    service = {path.removeprefix("/opt/web-next/") for path in listed if path.startswith("/opt/web-next/webnext/")}
    assert {path for path in service if not path.endswith(".pyc")} == {
        path for path in Images().sources("web-next") if path.startswith("webnext/")
    }
    idle = r"/bin/(pip.*|gcc|cc|ld|as|make|strip)$|/(node_modules|tests|\.agents)/|\.(pyi|pyx|pxd|c|h|proto)$"
    assert [path for path in listed if re.search(idle, path)] == []
    size = int(docker("image", "inspect", "--format", "{{.Size}}", built["web-next"]))
    assert size < 180_000_000, f"{size / 1e6:.0f} MB: see `docker history` for what came in"


def test_a_role_that_there_is_not_is_refused_by_its_name(built: dict[str, str]) -> None:
    done = subprocess.run(
        ["docker", "run", "--rm", "--read-only", built["web-next"], "python3", "-m", "webnext", "nurse"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert "there is no role 'nurse': it is one of app, worker, executor, cleanup" in done.stderr


def exit_code(name: str) -> int:
    return int(docker("inspect", "--format", "{{.State.ExitCode}}", name))


def test_the_app_is_healthy_in_a_read_only_container_and_ends_when_it_is_told_to(built: dict[str, str]) -> None:
    with container(built["web-next"], "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges") as name:
        wait_until(lambda: healthy(name), "the app's own health check")
        docker("stop", "--time", "30", name)
        assert exit_code(name) in (0, 143), "137: it had to be killed"


def test_a_process_that_is_still_starting_ends_when_it_is_told_to(built: dict[str, str]) -> None:
    starting = ("python3", "-c", "import time; print('imports', flush=True); time.sleep(600)")
    with container(built["web-next"], command=starting) as name:
        wait_until(lambda: docker("logs", name) == "imports", "its first line")
        docker("stop", "--time", "30", name)
        assert exit_code(name) == 143, "137: it had to be killed"


def test_what_is_built_is_not_built_again(built: dict[str, str]) -> None:
    assert build_all(lambda text: pytest.fail(f"{text} is built again")) == built


def test_the_official_names_are_not_shadowed(built: dict[str, str]) -> None:
    tags = json.loads(docker("image", "inspect", "--format", "{{json .RepoTags}}", built["postgres"]))
    assert {tag.split("/")[0] for tag in tags} == {"web-next-cutover"}


def test_a_base_is_imported_from_the_cache_when_docker_has_lost_it(
    built: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = Images()
    tag = f"web-next-cutover/base:test-{secrets.token_hex(4)}"
    monkeypatch.setattr(Images, "tag", lambda self, name: tag)
    try:
        here._build("base", lambda text: None)
        assert docker("run", "--rm", tag, "cat", "/etc/debian_version").startswith("13")
    finally:
        docker("image", "rm", "--force", tag)
