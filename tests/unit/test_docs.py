"""The documents say what the code does: settings, targets, exit codes, messages and links."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from cutover.commands.app import main
from cutover.errors import INTERRUPTED, WRONG_USAGE, errors, exit_codes
from cutover.stacks import outputs
from cutover.stacks.outputs import Outputs
from infra.nginx import FOLDER
from infra.settings.keys import SECTIONS
from infra.settings.sections import AdaptersSettings
from outputs.smoke import Criterion
from tests.support.setting_keys import bounds, keys

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
RUNBOOK = ROOT / "docs" / "runbook.md"
SETTINGS = ROOT / "docs" / "settings.md"
Templates = dict[str, re.Pattern[str]]
PAGES = [README, ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def rows(text: str, *headings: str) -> Iterator[list[str]]:
    """The cells of the tables whose first column has one of the headings."""
    wanted = False
    previous = ""
    for line in text.splitlines():
        if not line.startswith("|"):
            wanted = False
        elif not previous.startswith("|"):
            wanted = line.strip("|").split("|")[0].strip() in headings
        elif wanted and not line.startswith("|---"):
            yield [cell.strip() for cell in line.strip("|").split("|")]
        previous = line


def default(field: FieldInfo) -> str:
    """A key's default in the reference's words."""
    if field.is_required():
        return "required"
    match value := field.get_default(call_default_factory=True):
        case None:
            return "none"
        case []:
            return "empty"
        case list() as words:
            return f"`[{', '.join(words)}]`"
        case bool():
            return str(value).lower()
        case BaseModel():
            return "of its keys"
    return str(value)


def documented(text: str) -> dict[str, list[str]]:
    return {cells[0].strip("`"): cells[1:] for cells in rows(text, "Key")}


def rule(field: FieldInfo) -> str | None:
    """What a person is told when a value breaks the key's own rule, where it is not pydantic who says it."""
    extras = [one.json_schema_extra for one in (field, *field.metadata) if hasattr(one, "json_schema_extra")]
    return next((str(extra["rule"]) for extra in extras if isinstance(extra, dict)), None)


def targets(makefile: str) -> set[str]:
    return set(re.findall(r"^([a-z0-9-]+):.*## ", makefile, re.MULTILINE))


def undocumented(names: set[str], pages: str) -> set[str]:
    return {name for name in names if not re.search(rf"\bmake {name}\b", pages)}


def exit_rows(text: str) -> dict[int, str]:
    return {int(cells[0]): cells[1].replace("`", "") for cells in rows(text, "Code")}


def links(page: Path) -> list[str]:
    found = re.findall(r"\]\(([^)\s]+)\)", page.read_text())
    return [link for link in found if not link.startswith(("https://", "http://", "#"))]


def broken(page: Path) -> list[str]:
    return [link for link in links(page) if not (page.parent / link.partition("#")[0]).exists()]


def templates(sources: Sequence[Path], letters: int = 8) -> Templates:
    """Every text of so many letters in the sources, with … for what a format string fills in, and a pattern of it."""
    found = set()
    for source in sources:
        for node in ast.walk(ast.parse(source.read_text())):
            parts = node.values if isinstance(node, ast.JoinedStr) else [node]
            texts = [str(part.value) if isinstance(part, ast.Constant) else "…" for part in parts]
            if any(isinstance(part, ast.Constant) and isinstance(part.value, str) for part in parts):
                found.add("".join(texts).strip())
    return {text: re.compile(pattern(text)) for text in found if len(re.sub(r"[\s….:;,()]", "", text)) >= letters}


def pattern(text: str) -> str:
    return ".*".join(map(re.escape, text.split("…")))


def is_said(message: str, known: Templates) -> bool:
    """Whether a text of the code has the message in it, or becomes it when it is filled in."""
    wanted = re.compile(pattern(message))
    return any(wanted.search(text) or filled.fullmatch(message) for text, filled in known.items())


@pytest.fixture(scope="module")
def known() -> Templates:
    return templates(
        [path for folder in ("cutover", "infra", "offline", "outputs") for path in (ROOT / folder).rglob("*.py")]
    )


def test_every_setting_is_in_the_reference_and_every_key_of_the_reference_is_a_setting() -> None:
    assert set(documented(SETTINGS.read_text())) == set(keys())


def test_every_object_among_the_settings_is_among_those() -> None:
    assert {key.partition(".")[0] for key in keys() if "." in key} == set(SECTIONS)


def test_every_default_in_the_reference_is_the_programs() -> None:
    said = documented(SETTINGS.read_text())
    facts = {key for key in keys() if key.startswith("machine.")}
    assert {key: said[key][1] for key in keys().keys() - facts} == {
        key: default(field) for key, field in keys().items() if key not in facts
    }
    optional = {key for key in facts if not keys()[key].is_required()}
    assert optional == {"machine.grafanaImage"}, "the page says once that all others are required"


def test_every_bound_of_a_number_is_in_the_reference() -> None:
    said = documented(SETTINGS.read_text())
    bounded = {key: " to ".join(bounds(field)) for key, field in keys().items() if bounds(field)}
    assert len(bounded) >= 17
    assert {key: limits for key, limits in bounded.items() if limits not in said[key][0]} == {}


def test_every_choice_that_a_setting_has_is_in_the_reference() -> None:
    said = documented(SETTINGS.read_text())
    choices = {key: re.findall(r"'([^']+)'", str(field.annotation)) for key, field in keys().items()}
    chosen = {key: words for key, words in choices.items() if "Literal" in str(keys()[key].annotation)}
    adapters = {f"adapters.{name}" for name in AdaptersSettings.model_fields}
    own = {"track", "runtime", "edge.pinning", "database.access", "mayDestroy", "smoke.profile"}
    assert chosen.keys() == {
        *own,
        "network.nat",
        "executorAuth",
        "fargate.architecture",
        "fargate.cpu",
        "fargate.wafManaged",
        *adapters,
    }
    assert {key: words for key, words in chosen.items() if [w for w in words if f"`{w}`" not in said[key][0]]} == {}


def test_every_rule_that_a_person_is_told_is_in_the_reference() -> None:
    said = documented(SETTINGS.read_text())
    told = {key: re.split("[,;]| of the families", text)[0] for key, field in keys().items() if (text := rule(field))}
    assert len(told) > 15
    assert {key: words for key, words in told.items() if words not in said[key][0].replace("`", "")} == {}


@pytest.mark.parametrize("key", ["edge.burst", "network.nat", "machine.clone", "retentionDays"])
def test_a_key_that_is_missing_in_the_reference_is_found(key: str) -> None:
    text = SETTINGS.read_text().replace(f"| `{key}` |", f"| `{key}s` |")
    assert set(documented(text)) ^ set(keys()) == {key, f"{key}s"}


def test_every_make_target_is_in_the_readme_or_the_runbook() -> None:
    found = targets((ROOT / "Makefile").read_text())
    assert {"up", "down", "clean"} < found
    assert undocumented(found, README.read_text() + RUNBOOK.read_text()) == set()


def test_a_target_that_nobody_describes_is_found() -> None:
    found = targets("up: ## a\nrehearse: up ## b\nhidden:\n")
    assert undocumented(found, "`make up` and `make upper`") == {"rehearse"}


def test_the_runbook_says_of_every_exit_code_what_the_errors_say() -> None:
    assert exit_rows(RUNBOOK.read_text()) == exit_codes()


def test_an_exit_code_that_is_told_otherwise_is_found() -> None:
    assert exit_rows(RUNBOOK.read_text().replace("| 4 |", "| 44 |")) != exit_codes()
    assert exit_rows(RUNBOOK.read_text().replace(exit_codes()[4], "the stack is free")) != exit_codes()


@pytest.mark.parametrize("code", exit_codes())
def test_a_row_of_the_exit_codes_is_true(code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    raised = {error.exit_code: error("why") for error in errors()} | {INTERRUPTED: KeyboardInterrupt()}

    def of(stack: str, **_: object) -> Outputs:
        if code in raised:
            raise raised[code]
        return Outputs(stack, {})

    monkeypatch.setattr(outputs, "outputs", of)
    assert main(["outputs", *([] if code == WRONG_USAGE else ["-s", "local"])]) == code


def test_every_message_in_the_runbook_is_one_of_the_code(known: Templates) -> None:
    table = list(rows(RUNBOOK.read_text(), "You see", "Line of the report"))
    messages = [message for cells in table for message in re.findall(r"`([^`]+)`", cells[0])]
    assert len(messages) > 40
    assert [message for message in messages if not is_said(message, known)] == []


def test_what_the_readme_recorded_of_a_rehearsal_is_what_one_prints() -> None:
    recorded = re.findall(r"^ \d:\d\d  held: (.*)$", README.read_text(), re.MULTILINE)
    assert len(recorded) > 5
    declared = map(pattern, templates([ROOT / "rehearsal" / f"{name}.py" for name in ("scenes", "play")], letters=6))
    lines = re.compile(f"(?:{'|'.join(declared)}): .*")
    assert [line for line in recorded if not lines.fullmatch(line)] == []


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("GET /api/healthz: no answer (ConnectError: …)", True),
        ("stack … is locked by another update: let it end", True),
        ("stack … is locked by another update: wait", False),
        ("the edge is on fire", False),
    ],
)
def test_a_message_that_the_code_does_not_have_is_found(message: str, said: bool, known: Templates) -> None:
    assert is_said(message, known) is said


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    assert broken(page) == []


def test_a_link_that_leads_nowhere_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("[there](page.md#part) [gone](gone.md) [web](https://example.com)")
    assert broken(page) == ["gone.md"]


def test_the_changelog_names_every_criterion_of_the_smoke_suite() -> None:
    (line,) = [line for line in (ROOT / "CHANGELOG.md").read_text().splitlines() if line.startswith("- A smoke suite")]
    assert [criterion for criterion in Criterion if criterion not in line] == []


def edge_commands(text: str) -> list[str]:
    """The commands in `code` that have nginx check or print its configuration."""
    return [one for one in re.findall(r"`([^`\n]+)`", text) if re.search(r"\bnginx( .*)? -[tT]\b", one)]


def test_every_look_at_nginx_s_configuration_names_its_file_since_the_default_is_not_the_edges() -> None:
    commands = [command for page in PAGES for command in edge_commands(page.read_text())]
    run = [command for command in edge_commands(RUNBOOK.read_text()) if command.startswith("docker exec")]

    assert [command for command in commands if not re.search(r" -c \S+", command)] == []
    assert run
    assert [command for command in run if f" -c {FOLDER}/nginx.conf" not in command] == []


def test_a_look_at_nginxs_own_default_is_found() -> None:
    text = "`docker exec edge nginx -T`, `nginx -q -t`, `nginx -s reload`, `nginx -t -c f`"
    assert edge_commands(text) == ["docker exec edge nginx -T", "nginx -q -t", "nginx -t -c f"]


def test_every_decision_fits_on_a_page_and_says_when_to_revisit_it() -> None:
    decisions = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    assert [page.name[:3] for page in decisions] == [f"{number:03}" for number in range(1, len(decisions) + 1)]
    for page in decisions:
        text = page.read_text()
        assert len(text.splitlines()) <= 40, page.name
        assert re.findall(r"^## (.*)$", text, re.MULTILINE) == ["Context", "Decision", "Consequences", "Revisit when"]


def test_no_page_holds_a_path_of_a_machine() -> None:
    for page in PAGES:
        assert not re.search(r"(?<![\w.~<>-])/(root|home|work|tmp|Users)/", page.read_text()), page.name


def files_named(page: str) -> set[str]:
    """The files and folders of this project that a page names in `code`, with or without their folder."""
    named = re.findall(r"`([\w./-]+(?:\.(?:py|md|toml|txt|json|j2|sql)|/))`", page)
    return {name for name in named if not name.endswith("_outbox_note.sql")}


def test_contributing_names_files_that_there_are_and_fits_on_a_page() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text()
    everything = {
        path.name
        for folder in ("infra", "cutover", "webnext", "tests", "offline")
        for path in (ROOT / folder).rglob("*")
    }
    gone = {
        name for name in files_named(page) if not (ROOT / name).exists() and ("/" in name or name not in everything)
    }

    assert gone == set()
    assert f"`migrations/{len(list((ROOT / 'migrations').glob('*.sql'))) + 1:03}_outbox_note.sql`" in page
    assert {name for name in files_named(page) if name.startswith("test_")} == set(), "a test is named with its folder"
    assert len(files_named(page)) > 25
    assert len(page.splitlines()) <= 80


def test_a_file_that_is_gone_is_found() -> None:
    assert files_named("`infra/gone.py`, `gone/` and `make up`") == {"infra/gone.py", "gone/"}
