"""GET /dashboard and the files of the page."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, NamedTuple

from fastapi import APIRouter, Header, HTTPException
from starlette.responses import Response

from webnext.services import Services

PAGE = "dashboard.html"
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}

IfNoneMatch = Annotated[str, Header()]


class File(NamedTuple):
    """A file of the page as it is served. `etag` changes with any byte of it."""

    content: bytes
    media_type: str
    etag: str

    def answer(self, if_none_match: str) -> Response:
        """Return 200 with the content, or 304 where the caller has it already.

        No browser uses a copy unasked: the page of a new build is there with the next load. The edge keeps files for a
        second, in which a burst is one request.
        """
        headers = {"Cache-Control": "no-cache", "ETag": self.etag, "X-Accel-Expires": "1"}
        held = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
        if held & {self.etag, "*"}:
            return Response(status_code=304, headers=headers)
        return Response(self.content, media_type=self.media_type, headers=headers)


def files() -> dict[str, File]:
    """Return the page's files by name, read once: no request ever names a path."""
    found = {}
    for path in sorted(Path(__file__).parent.iterdir()):
        if path.suffix in TYPES:
            content = path.read_bytes()
            etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
            found[path.name] = File(content, TYPES[path.suffix], etag)
    return found


def router(services: Services) -> APIRouter:  # noqa: ARG001  (the page gets everything from the API)
    """The page and its files."""
    routes = APIRouter(tags=["dashboard"])
    served = files()

    @routes.api_route("/dashboard", methods=["GET", "HEAD"], include_in_schema=False)
    async def page(if_none_match: IfNoneMatch = "") -> Response:
        """The dashboard."""
        return served[PAGE].answer(if_none_match)

    @routes.api_route("/dashboard/{name}", methods=["GET", "HEAD"], include_in_schema=False)
    async def part(name: str, if_none_match: IfNoneMatch = "") -> Response:
        """A file that the page names."""
        if name == PAGE or name not in served:
            raise HTTPException(404, "the dashboard has no such file")
        return served[name].answer(if_none_match)

    return routes
