from __future__ import annotations

import re
from pathlib import Path

import pytest

import webnext.dashboard
from tests.support.memory_audit import Call
from webnext.dashboard.routes import PAGE, files
from webnext.envelope import security_headers
from webnext.settings import Settings

FOLDER = Path(webnext.dashboard.__file__).parent
PARTS = sorted(path for path in FOLDER.iterdir() if path.suffix in (".html", ".css", ".js", ".svg"))
PATHS = ["/dashboard", *(f"/dashboard/{path.name}" for path in PARTS if path.name != PAGE)]
TYPES = {
    "dashboard": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_the_page_and_its_files_are_served_with_their_type_and_asked_for_each_time(
    call: Call, settings: Settings, method: str, path: str
) -> None:
    answer = call(method, path)

    assert answer.status_code == 200
    assert answer.headers["content-type"] == TYPES[path.rpartition("/")[2].rpartition(".")[2]]
    assert answer.headers["cache-control"] == "no-cache"
    assert re.fullmatch(r'"[0-9a-f]{32}"', answer.headers["etag"])
    assert security_headers(settings).items() <= {k.title(): v for k, v in answer.headers.items()}.items()


@pytest.mark.parametrize("held", ["{etag}", "W/{etag}", '"other", {etag}', "*"])
def test_a_browser_that_holds_this_build_gets_no_content_again(call: Call, held: str) -> None:
    etag = call("GET", "/dashboard").headers["etag"]

    answer = call("GET", "/dashboard", headers={"if-none-match": held.format(etag=etag)})

    assert (answer.status_code, answer.content) == (304, b"")
    assert (answer.headers["etag"], answer.headers["cache-control"]) == (etag, "no-cache")


def test_a_browser_that_holds_another_build_gets_this_one(call: Call) -> None:
    answer = call("GET", "/dashboard/dashboard.js", headers={"if-none-match": f'"{"0" * 32}"'})

    assert (answer.status_code, answer.content) == (200, (FOLDER / "dashboard.js").read_bytes())


def test_every_file_has_an_etag_of_its_own() -> None:
    served = files()

    assert len({file.etag for file in served.values()}) == len(served) == len(PARTS)


@pytest.mark.parametrize(
    "path",
    [
        "/dashboard/",
        "/dashboard/routes.py",
        "/dashboard/dashboard.html",
        "/dashboard/nothing.js",
        "/dashboard/%2e%2e/%2e%2e/app.py",
        "/dashboard/..%2fapp.py",
        "/dashboard/%2e%2e/app.py",
        "/dashboard/..%5capp.py",
        "/dashboard/%2fetc%2fpasswd",
        "/dashboard//etc/passwd",
        "/dashboard/dashboard.js%00.py",
        "/dashboard/dashboard.js/%2e%2e",
    ],
)
def test_no_other_file_can_be_named(call: Call, path: str) -> None:
    answer = call("GET", path)

    assert answer.status_code == 404
    assert answer.json().keys() == {"_err", "traceId"}
    assert answer.headers["x-frame-options"] == "DENY"


def test_nothing_is_posted_to_the_page(call: Call) -> None:
    assert call("POST", "/dashboard").status_code == 405


def test_the_root_leads_to_the_page(call: Call) -> None:
    answer = call("GET", "/")

    assert (answer.status_code, answer.headers["location"]) == (307, "/dashboard")


def test_what_the_files_name_is_served_and_nothing_lies_about_unnamed() -> None:
    text = "\n".join(path.read_text() for path in PARTS)
    named = set(re.findall(r'["(]/dashboard/([^"()]+)"', text)) | set(re.findall(r'from "\./([^"]+)"', text))

    assert named == {path.name for path in PARTS} - {PAGE}


FORBIDDEN = {
    "an inline style": r"<[^>]*\sstyle\s*=|<style|\.style\b|cssText",
    "an inline script": r"<script(?![^>]*\ssrc=)|\son[a-z]+\s*=\s*[\"']|javascript:",
    "a data address": r"data:",
    "text as markup": r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser",
    "text as code": r"\beval\(|new Function|setTimeout\(\s*[\"'`]",
    "another origin": r"(?:https?:)?//(?!www\.w3\.org/2000/svg)[a-z0-9-]+\.[a-z]",
}


@pytest.mark.parametrize("what", FORBIDDEN)
@pytest.mark.parametrize("path", PARTS, ids=lambda path: path.name)
def test_no_file_holds_what_the_policy_or_good_sense_forbids(path: Path, what: str) -> None:
    assert re.search(FORBIDDEN[what], path.read_text()) is None


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("an inline style", '<p style="color: red">'),
        ("an inline style", "row.style.color = 'red'"),
        ("an inline script", "<script>go()</script>"),
        ("an inline script", '<img src="x" onerror="go()">'),
        ("a data address", 'url("data:image/png;base64,")'),
        ("text as markup", "row.innerHTML = name"),
        ("text as code", "setTimeout('go()', 1)"),
        ("another origin", '<link href="//fonts.example.com/a.css">'),
    ],
)
def test_what_is_forbidden_is_recognised(what: str, text: str) -> None:
    assert re.search(FORBIDDEN[what], text)
