"""Encryption in transit of the emulator's replication groups: TLS by the clone's authority, and AUTH tokens."""

from __future__ import annotations

import hashlib
import io
import re
import ssl
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from offline.emulator.patching import patch

AUTHORITY, CERTIFICATE, KEY = FILES = ("ca.pem", "databases.pem", "databases.key")
REDIS = 6379  # the image's user and group
REDIS_VOLUME = "/data"
TOKEN = re.compile(r"[A-Za-z0-9!&#$^<>-]{16,128}")
ACCEPTED = "_tokens"  # in a group's record: the SHA-256 of each; the emulator keeps no token

Group = tuple[str, str, str]  # account, region, id


class Transit:
    """Which replication groups speak TLS, and whom they serve; `folder` has the certificate and its authority."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._accepted: dict[Group, Sequence[str]] = {}

    def install(self, service: Any) -> None:
        """Wraps ElastiCache's actions on replication groups."""
        patch(service, "_create_replication_group", lambda create: lambda asked: self._create(service, create, asked))
        patch(service, "_modify_replication_group", lambda modify: lambda asked: self._modify(service, modify, asked))

    def restore(self, service: Any) -> None:
        """Knows the groups of the last run again; drops one whose token an older emulator did not keep."""
        for group, record in list(service._replication_groups.all_items()):
            if record["AuthTokenEnabled"] and ACCEPTED not in record:
                service._replication_groups._data.pop(group)
                service._pending_rg_respawn.discard(group)
            elif record["TransitEncryptionEnabled"]:
                self._accepted[group] = record[ACCEPTED]

    def files(self, labels: Mapping[str, str]) -> dict[str, str]:
        """Returns name → content of what a container with these labels needs; nothing for one of a plain group."""
        accepted = self._accepted.get((labels.get("account_id", ""), labels.get("region", ""), labels.get("rg_id", "")))
        if accepted is None:
            return {}
        pair = {"tls.pem": CERTIFICATE, "tls.key": KEY}
        return {name: (self._folder / source).read_text() for name, source in pair.items()} | _tokens(accepted)

    def trust(self) -> ssl.SSLContext:
        """Returns what a client needs to verify a group."""
        return ssl.create_default_context(cafile=str(self._folder / AUTHORITY))

    def _create(self, service: Any, create: Any, asked: Any) -> Any:
        token = service._p(asked, "AuthToken")
        encrypted = service._p(asked, "TransitEncryptionEnabled").lower() == "true"
        if token and not encrypted:
            reason = "The AUTH token is only supported when encryption-in-transit is enabled"
            return service._error("InvalidParameterCombination", reason, 400)
        if token and not TOKEN.fullmatch(token):
            return _refuse(service)
        name = service._p(asked, "ReplicationGroupId")
        if name in service._replication_groups:
            return create(asked)  # which refuses it
        group = service.get_account_id(), service.get_region(), name
        self._accepted.pop(group, None)
        if encrypted:
            self._accepted[group] = [_digest(token)] if token else []
        answer = create(asked)
        if encrypted and name in service._replication_groups:
            service._replication_groups[name][ACCEPTED] = self._accepted[group]
        return answer

    def _modify(self, service: Any, modify: Any, asked: Any) -> Any:
        token = service._p(asked, "AuthToken")
        name = service._p(asked, "ReplicationGroupId")
        record = service._replication_groups.get(name)
        if not token or record is None:
            return modify(asked)
        group = service.get_account_id(), service.get_region(), name
        if group not in self._accepted or not TOKEN.fullmatch(token):
            return _refuse(service)
        strategy = service._p(asked, "AuthTokenUpdateStrategy") or "ROTATE"
        kept = self._accepted[group][-1:] if strategy == "ROTATE" else []
        self._accepted[group] = record[ACCEPTED] = list(dict.fromkeys([*kept, _digest(token)]))
        record["AuthTokenEnabled"] = True
        for identity in record["_docker_container_ids"]:
            container = service._get_docker().containers.get(identity)
            container.put_archive(REDIS_VOLUME, archive(_tokens(record[ACCEPTED]), REDIS))
            container.restart()
        return modify(asked)


def archive(files: Mapping[str, str], owner: int) -> bytes:
    """Returns a tar of files that only a container's user may read: name → content."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            content = text.encode()
            entry.size, entry.mode, entry.uid, entry.gid = len(content), 0o600, owner, owner
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def _tokens(accepted: Sequence[str]) -> dict[str, str]:
    return {"tokens": "".join(f"{digest}\n" for digest in accepted)} if accepted else {}


def _refuse(service: Any) -> Any:
    return service._error("InvalidParameterValue", "Invalid AuthToken provided", 400)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
