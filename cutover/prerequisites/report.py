"""The prerequisites in their order, what was seen of each, and which is next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from cutover.errors import CutoverError
from cutover.prerequisites import account, here, made
from cutover.prerequisites.facts import Facts, MissingError

Look = Callable[[Facts], str]


@dataclass(frozen=True)
class Prerequisite:
    """What must hold. `look` says what it sees; it is not asked while one of `needs` does not hold."""

    name: str
    look: Look
    needs: tuple[str, ...] = ()


ACCOUNT = ("account",)
ORDER = (
    Prerequisite("environment", here.environment),
    Prerequisite("region", here.region),
    Prerequisite("state", here.state),
    Prerequisite("secrets provider", here.secrets_provider),
    Prerequisite("real values", here.real_values),
    Prerequisite("session plugin", here.plugin),
    Prerequisite("account", account.credentials, ("region",)),
    Prerequisite("state's bucket", account.state_bucket, ("state", *ACCOUNT)),
    Prerequisite("secrets' key", account.secrets_key, ("secrets provider", *ACCOUNT)),
    Prerequisite("operators", account.operators, ACCOUNT),
    Prerequisite("console's name", account.console_name, ACCOUNT),
    Prerequisite("repositories", made.repositories, ACCOUNT),
    Prerequisite("on-call", made.on_call, ("repositories",)),
    Prerequisite("images", made.images, ("repositories",)),
    Prerequisite("way of ticks", made.way_of_ticks, ("environment", "repositories")),
    Prerequisite("balancer", made.balancer, ("environment", "images")),
    Prerequisite("way here", made.way_here, ("balancer",)),
    Prerequisite("database", made.database, ("environment", "repositories")),
    Prerequisite("channel", made.channel, ("repositories",)),
    Prerequisite("credentials", made.credentials, ("repositories",)),
    Prerequisite("release", made.release, ("images", "database")),
    Prerequisite("console's record", made.console_record, ("balancer", "release")),
)
"""What an up makes is looked for once the repositories are there, which the first one makes."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """What was seen of one prerequisite, and what to do where it does not hold."""

    name: str
    state: Literal["ok", "miss", "wait"]
    seen: str
    do: str | None = None


@dataclass(frozen=True, kw_only=True)
class Report:
    """What was seen of all prerequisites of a stack, in their order."""

    stack: str
    lines: Sequence[Line]

    @property
    def next(self) -> Line | None:
        """The first that does not hold; None when all do."""
        return next((line for line in self.lines if line.state == "miss"), None)

    def table(self) -> str:
        """A line for each, for people."""
        return "\n".join(f"  {line.state:<5} {line.name:<17} {line.seen}" for line in self.lines)

    def document(self) -> dict[str, Any]:
        """The same for machines."""
        return {
            "stack": self.stack,
            "ready": self.next is None,
            "next": self.next and self.next.do,
            "prerequisites": [asdict(line) for line in self.lines],
        }


def look(facts: Facts, order: Sequence[Prerequisite] = ORDER) -> Report:
    """Looks at each prerequisite whose own are there. It changes nothing.

    Raises CutoverError for a stack that has no first day on AWS.
    """
    if facts.settings.get("runtime") == "docker":
        raise CutoverError(f"stack {facts.stack} is on docker, and needs no account: make doctor looks at this machine")
    if base := facts.settings.get("base"):
        raise CutoverError(f"stack {facts.stack} is a candidate, on {base}: cutover preflight -s {base}")
    lines: list[Line] = []
    for one in order:
        held = {line.name for line in lines if line.state == "ok"}
        waits = [need for need in one.needs if need not in held]
        if waits:
            lines.append(Line(name=one.name, state="wait", seen=f"for {', '.join(waits)}"))
        else:
            lines.append(_seen(one, facts))
    return Report(stack=facts.stack, lines=lines)


def _seen(one: Prerequisite, facts: Facts) -> Line:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return Line(name=one.name, state="ok", seen=one.look(facts))
    except MissingError as missing:
        return Line(name=one.name, state="miss", seen=missing.seen, do=missing.do)
    except (BotoCoreError, ClientError) as error:
        said = f"AWS does not say ({' '.join(str(error).split())})"
        return Line(name=one.name, state="miss", seen=said, do="mend the reason that AWS gives, then preflight again")
    except CutoverError as error:
        return Line(name=one.name, state="miss", seen=str(error), do="mend that, then preflight again")
