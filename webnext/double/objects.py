"""The double's evidence fallback: objects in a folder, put and got at addresses that are signed and expire."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import os
import secrets
import time
import uuid
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote, urlencode

from webnext.contract.evidence import ArchiveRequest, EvidenceRequest
from webnext.dependency import AwayError
from webnext.services import ArchivedError, CallerError, NotUploadedError, TooLargeError

SECONDS = 900
"""How long an address holds."""
MAX_BYTES = 100 * 2**20
PATH = "/evidence/objects/"


class SignatureError(CallerError):
    """The address was not made here, not for this method, or has expired."""

    status = 403


class SizeError(CallerError):
    """The object does not have the size that was signed."""

    status = 400


class Objects:
    """Objects below `folder`. The signing key is made anew with each instance: a restart ends what was granted."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for unfinished in folder.glob("*.part"):
            unfinished.unlink()
        self._folder = folder
        self._clock = clock
        self._secret = secrets.token_bytes(32)

    def grant(self, request: EvidenceRequest, origin: str) -> dict[str, str]:
        """Two addresses at `origin` for a new object, one to put it and one to get it, as the executor answers them."""
        key = f"evidence/{request.runId or request.jobId}/{uuid.uuid4()}.zip"
        expires = int(self._clock()) + SECONDS
        return {
            "uploadUrl": origin + self._address("PUT", key, expires, request.sizeBytes),
            "downloadUrl": origin + self._address("GET", key, expires, None),
            "key": key,
            "expiresAt": datetime.fromtimestamp(expires, UTC).isoformat(),
        }

    def check(self, method: str, key: str, expires: int, size: int | None, signature: str) -> None:
        """Return where the address is good for `method`. Raises SignatureError."""
        if not hmac.compare_digest(self._sign(method, key, expires, size), signature):
            raise SignatureError(f"the signature is not one for {method} of this object")
        if self._clock() >= expires:
            raise SignatureError("the address has expired")

    async def put(self, key: str, chunks: AsyncIterator[bytes], size: int | None = None) -> None:
        """Keep an object, whole or not at all. Raises TooLargeError, SizeError, AwayError."""
        path = self._folder / f"{uuid.uuid4()}.part"
        try:
            with path.open("xb") as file:
                written = 0
                async for chunk in chunks:
                    written += len(chunk)
                    if written > (MAX_BYTES if size is None else size):
                        raise TooLargeError(f"the object is larger than {size or MAX_BYTES} bytes")
                    await asyncio.to_thread(file.write, chunk)
                if size is not None and written != size:
                    raise SizeError(f"the object has {written} bytes, and {size} were signed")
                file.flush()
                await asyncio.to_thread(os.fsync, file.fileno())
            path.replace(self._path(key))
        except OSError as error:
            raise AwayError("objects", error.strerror or str(error)) from error
        finally:
            path.unlink(missing_ok=True)

    def get(self, key: str) -> Path:
        """The file that holds an object. Raises NotUploadedError."""
        path = self._path(key)
        if not path.is_file():
            raise NotUploadedError(f"nothing was uploaded under {key}")
        return path

    async def archive(self, request: ArchiveRequest) -> dict[str, str | int]:
        """Keep an object's metadata beside it, once; the metadata's key and the object's size. Raises NotUploadedError,
        ArchivedError."""
        size = self.get(request.key).stat().st_size
        metadata_key = f"{request.key}.json"
        document = request.model_dump(mode="json") | {"sizeBytes": size}

        async def chunks() -> AsyncIterator[bytes]:
            yield json.dumps(document).encode()

        there = self._path(metadata_key)
        if not there.is_file():
            await self.put(metadata_key, chunks())
        elif json.loads(there.read_bytes()) != document:
            raise ArchivedError(f"{metadata_key} is there with other metadata: it is written once")
        return {"metadataKey": metadata_key, "sizeBytes": size}

    def _address(self, method: str, key: str, expires: int, size: int | None) -> str:
        query = {"expires": expires, "signature": self._sign(method, key, expires, size)}
        return f"{PATH}{quote(key)}?{urlencode(query if size is None else query | {'size': size})}"

    def _sign(self, method: str, key: str, expires: int, size: int | None) -> str:
        message = json.dumps([method, key, expires, size]).encode()
        return hmac.new(self._secret, message, hashlib.sha256).hexdigest()

    def _path(self, key: str) -> Path:
        return self._folder / hashlib.sha256(key.encode()).hexdigest()
