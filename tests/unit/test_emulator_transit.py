from __future__ import annotations

import hashlib
import io
import re
import tarfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from offline.emulator.transit import Transit

FIRST, SECOND, THIRD = (letter * 16 for letter in "abc")
LABELS = {"account_id": "1", "region": "here", "rg_id": "queues"}
GROUP = ("1", "here", "queues")


class Groups(dict[str, dict[str, Any]]):
    """The emulator's records of one account and region."""

    def all_items(self) -> list[tuple[tuple[str, str, str], dict[str, Any]]]:
        return [(("1", "here", name), record) for name, record in self.items()]

    @property
    def _data(self) -> Groups:
        return self

    def pop(self, name: Any) -> Any:  # type: ignore[override]
        return super().pop(name[2] if isinstance(name, tuple) else name)


class Cache(SimpleNamespace):
    """The emulator's ElastiCache, as far as `Transit` sees it."""

    def __init__(self, *, docker_makes_it: bool = True) -> None:
        def create(asked: dict[str, str]) -> tuple[int, str]:
            if asked["ReplicationGroupId"] in self._replication_groups:
                return 400, "AlreadyExists"
            self.found.append(self.transit.files(LABELS))
            if docker_makes_it:
                self._replication_groups[asked["ReplicationGroupId"]] = {
                    "TransitEncryptionEnabled": asked.get("TransitEncryptionEnabled") == "true",
                    "AuthTokenEnabled": bool(asked.get("AuthToken")),
                    "_docker_container_ids": ["c"],
                }
            return 200, "created"

        self.found: list[dict[str, str]] = []
        self.put: list[str] = []
        self.restarts = 0
        container = SimpleNamespace(put_archive=self._put, restart=self._restart)
        super().__init__(
            _replication_groups=Groups(),
            _pending_rg_respawn=set(),
            _create_replication_group=create,
            _modify_replication_group=lambda asked: (200, "modified"),
            _p=lambda asked, key, default="": asked.get(key, default),
            _error=lambda code, message, status: (status, f"{code}: {message}"),
            get_account_id=lambda: "1",
            get_region=lambda: "here",
            _get_docker=lambda: SimpleNamespace(containers=SimpleNamespace(get=lambda identity: container)),
        )

    def _put(self, path: str, content: bytes) -> None:
        with tarfile.open(fileobj=io.BytesIO(content)) as tar:
            (entry,) = tar
            assert (path, entry.name, entry.mode, entry.uid) == ("/data", "tokens", 0o600, 6379)
            file = tar.extractfile(entry)
            assert file is not None
            self.put.append(file.read().decode())

    def _restart(self) -> None:
        self.restarts += 1

    def create(self, **asked: str) -> tuple[int, str]:
        return self._create_replication_group({"ReplicationGroupId": "queues", **asked})  # type: ignore[no-any-return]

    def modify(self, **asked: str) -> tuple[int, str]:
        return self._modify_replication_group({"ReplicationGroupId": "queues", **asked})  # type: ignore[no-any-return]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("ca.pem", "databases.pem", "databases.key"):
        (tmp_path / name).write_text(name)
    return tmp_path


@pytest.fixture
def cache(folder: Path) -> Cache:
    made = Cache()
    made.transit = Transit(folder)
    made.transit.install(made)
    return made


def lines(*tokens: str) -> str:
    return "".join(f"{hashlib.sha256(token.encode()).hexdigest()}\n" for token in tokens)


PAIR = {"tls.pem": "databases.pem", "tls.key": "databases.key"}


def test_a_groups_container_finds_the_certificate_and_the_tokens_hash(cache: Cache) -> None:
    assert cache.create(TransitEncryptionEnabled="true", AuthToken=FIRST) == (200, "created")
    assert cache.found == [PAIR | {"tokens": lines(FIRST)}]


def test_a_group_without_a_token_speaks_tls_and_a_plain_one_gets_nothing(cache: Cache) -> None:
    cache.create(TransitEncryptionEnabled="true")
    cache._replication_groups.clear()
    cache.create(TransitEncryptionEnabled="false")
    assert cache.found == [PAIR, {}]
    assert cache.transit.files({"account_id": "1", "region": "here", "cluster_id": "queues"}) == {}


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"AuthToken": FIRST}, "InvalidParameterCombination: .* only supported when encryption-in-transit is enabled"),
        ({"AuthToken": "a" * 15, "TransitEncryptionEnabled": "true"}, "InvalidParameterValue: Invalid AuthToken"),
        ({"AuthToken": "a" * 129, "TransitEncryptionEnabled": "true"}, "InvalidParameterValue: Invalid AuthToken"),
        ({"AuthToken": FIRST + "@", "TransitEncryptionEnabled": "true"}, "InvalidParameterValue: Invalid AuthToken"),
        ({"AuthToken": FIRST + "\n", "TransitEncryptionEnabled": "true"}, "InvalidParameterValue: Invalid AuthToken"),
    ],
)
def test_what_aws_refuses_is_refused_before_anything_is_made(cache: Cache, asked: dict[str, str], said: str) -> None:
    status, answer = cache.create(**asked)
    assert status == 400
    assert re.match(said, answer)
    assert cache.found == []


def test_creating_a_group_again_leaves_its_token(cache: Cache) -> None:
    cache.create(TransitEncryptionEnabled="true", AuthToken=FIRST)
    assert cache.create(TransitEncryptionEnabled="true", AuthToken=SECOND) == (400, "AlreadyExists")
    assert cache.transit.files(LABELS)["tokens"] == lines(FIRST)


@pytest.mark.parametrize(
    ("changes", "accepted"),
    [
        ([(SECOND, "ROTATE")], (FIRST, SECOND)),
        ([(SECOND, "")], (FIRST, SECOND)),
        ([(SECOND, "ROTATE"), (THIRD, "ROTATE")], (SECOND, THIRD)),
        ([(SECOND, "ROTATE"), (SECOND, "SET")], (SECOND,)),
        ([(SECOND, "SET")], (SECOND,)),
        ([(FIRST, "ROTATE")], (FIRST,)),
    ],
)
def test_a_new_token_is_put_into_the_container_and_remembered(
    cache: Cache, folder: Path, changes: list[tuple[str, str]], accepted: tuple[str, ...]
) -> None:
    cache.create(TransitEncryptionEnabled="true", AuthToken=FIRST)
    for token, strategy in changes:
        assert cache.modify(AuthToken=token, AuthTokenUpdateStrategy=strategy) == (200, "modified")
    assert cache.put[-1] == lines(*accepted)
    assert cache.restarts == len(changes)
    later = Transit(folder)
    later.restore(cache)
    assert later.files(LABELS)["tokens"] == lines(*accepted)


def test_a_token_is_refused_for_a_plain_group_and_a_change_without_one_restarts_nothing(cache: Cache) -> None:
    cache.create()
    assert cache.modify(AuthToken=FIRST)[0] == 400
    assert cache.modify(SnapshotWindow="05:00-06:00") == (200, "modified")
    assert (cache.put, cache.restarts) == ([], 0)


def test_a_group_that_docker_refused_leaves_no_record(folder: Path) -> None:
    cache = Cache(docker_makes_it=False)
    cache.transit = Transit(folder)
    cache.transit.install(cache)
    assert cache.create(TransitEncryptionEnabled="true", AuthToken=FIRST) == (200, "created")
    assert not cache._replication_groups


def test_a_group_whose_token_was_never_kept_is_dropped_so_that_it_is_made_anew(cache: Cache) -> None:
    cache._replication_groups["queues"] = {"TransitEncryptionEnabled": True, "AuthTokenEnabled": True}
    cache._replication_groups["plain"] = {"TransitEncryptionEnabled": False, "AuthTokenEnabled": False}
    cache._pending_rg_respawn.update({GROUP, ("1", "here", "plain")})
    cache.transit.restore(cache)
    assert list(cache._replication_groups) == ["plain"]
    assert cache._pending_rg_respawn == {("1", "here", "plain")}
