"""The tables of docs/cost.md, in Markdown, by the name of their place on the page."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from bench.cost.bill import Prices, Use, prices, sources, standing, usd
from bench.cost.growth import GIB, USERS, Limits, Load, tab_requests
from tests.unit.infra.recorder import Recording
from webnext.postgres import CONNECTIONS

DEARER = 0.2
"""By how much Frankfurt is dearer at most in the prices that are known of both: docs/cost.md has them."""
LIMITS = {
    "tasks": "app tasks at the peak, of `fargate.mostTasks`",
    "connections": "connections to Postgres during a rollout, of the alarm's threshold",
    "worker": "alerts at the peak, of what the workers deliver at worst",
    "disk": "audit log after a year, of `database.maxStorage`",
    "redis": "alerts of a day without Slack, of Redis' memory",
}


def tables(declared: Recording) -> dict[str, str]:
    """Each table by name. Raises UnpricedError where the declared prod has something without a price."""
    known, limits = prices(), Limits(declared)
    loads = [Load(users, limits) for users in USERS]
    return {
        "bill": _bill(standing(declared), loads, known),
        "carries": _carries(limits),
        "load": _load(loads),
        "fill": _fill(loads),
        "prices": _prices(known),
    }


def written(page: str, made: dict[str, str]) -> str:
    """The page with these tables in their places. Raises ValueError for a table without a place."""
    for name, table in made.items():
        place = re.compile(f"(<!-- {name} -->\n).*?(<!-- end of {name} -->)", re.DOTALL)
        if not place.search(page):
            raise ValueError(f"no place for the table {name}: <!-- {name} --> and <!-- end of {name} -->")
        page = place.sub(lambda mark, table=table: f"{mark[1]}{table}\n{mark[2]}", page)  # type: ignore[misc]
    return page


def _bill(stands: Sequence[Use], loads: Sequence[Load], known: Prices) -> str:
    columns = [stands, *([*stands, *load.uses()] for load in loads)]
    bills = [usd(uses, known) for uses in columns]
    parts = sorted(bills[-1], key=lambda part: (-bills[0].get(part, 0), part))
    rows = [[part, *(_dollars(bill.get(part, 0)) for bill in bills)] for part in parts]
    rows.append(["**all**", *(f"**{sum(bill.values()):,.0f}**" for bill in bills)])
    abroad = [sum(usd(_abroad(uses, known), known).values()) for uses in columns]
    rows.append(["of it, by prices of us-east-1", *map(_dollars, abroad)])
    dearer = [sum(parts.values()) + DEARER * part for parts, part in zip(bills, abroad, strict=True)]
    rows.append([f"all, were those {100 * DEARER:.0f} % dearer", *map(_dollars, dearer)])
    return _lines(["USD a month", "nobody asks", *_heads(loads)], rows)


def _abroad(uses: Iterable[Use], known: Prices) -> Iterator[Use]:
    return (use for use in uses if use.price in known and known[use.price].region == "us-east-1")


def _carries(limits: Limits) -> str:
    app, tab = limits.app.inputs, tab_requests()
    size = f"{float(app['cpu']) / 1024:g} vCPU, {float(app['memory']) / 1024:g} GB, nginx and the app"
    tabs = limits.address_requests // tab
    office = f"{limits.address_requests}: {tabs} open tabs of an office; {limits.least_tasks * tabs} with "
    rows = [
        ["the task", size, "`Pulumi.prod.yaml`"],
        ["requests a minute until another is added", f"{limits.scaled_at:,.0f}", "`infra/runtime/fargate/service.py`"],
        ["requests a minute that a bench speaks for", f"{limits.by_bench:,.0f}", "`bench/audit_push.py`, see below"],
        [
            "requests a minute of one client address",
            office + f"the declared {limits.least_tasks} tasks",
            f"`edge.ratePerMinute`; a tab sends at most {tab} (`webnext/dashboard/polling.js`)",
        ],
        ["connections to Postgres", f"{CONNECTIONS}", "`webnext/postgres.py`"],
    ]
    return _lines(["one task of the app", "", "from"], rows, left=2)


def _load(loads: Sequence[Load]) -> str:
    limits = loads[0].limits
    most = float(limits.database.inputs["maxAllocatedStorage"])
    rows = {
        "requests a minute at the peak": [f"{load.peak:,.0f}" for load in loads],
        "**app tasks at the peak**": [f"**{load.peak_tasks}**" for load in loads],
        "the same by the bench": [f"{load.tasks(load.peak, limits.by_bench)}" for load in loads],
        "app tasks paid for, on average": [f"{load.mean_tasks}" for load in loads],
        "audit entries in a month's partition, million": [f"{load.month_rows / 10**6:,.1f}" for load in loads],
        "that partition, GiB": [f"{load.stored_gib(1):,.1f}" for load in loads],
        "audit log after a year, GiB": [f"{load.stored_gib(12):,.0f}" for load in loads],
        f"years until {most:.0f} GiB are full": [f"{most / load.stored_gib(12):,.1f}" for load in loads],
        "Redis after a day without Slack, MiB": [f"{load.redis_bytes * 1024 / GIB:,.0f}" for load in loads],
    }
    return _lines(["", *_heads(loads)], [[name, *cells] for name, cells in rows.items()])


def _fill(loads: Sequence[Load]) -> str:
    fills = [load.fill() for load in loads]
    rows = [[words, *(_percent(fill, limit) for fill in fills)] for limit, words in LIMITS.items()]
    return _lines(["taken, in per cent; the next bottleneck is bold", *_heads(loads)], rows)


def _percent(fill: dict[str, float], limit: str) -> str:
    text = "<1" if fill[limit] < 0.005 else f"{100 * fill[limit]:,.0f}"
    return f"**{text}**" if fill[limit] == max(fill.values()) else text


def _prices(known: Prices) -> str:
    rows = [
        [
            one.what,
            f"{one.usd:.5g}",
            one.unit,
            one.region,
            one.seen,
            f"{one.source}: {one.note}" if one.note else one.source,
        ]
        for one in known.values()
    ]
    table = _lines(["what", "USD", "for a", "region", "seen", "by"], rows, left=4)
    return "\n".join([table, "", *(f"- {name}: {words}." for name, words in sources().items())])


def _heads(loads: Sequence[Load]) -> list[str]:
    return [f"{load.users:,} users" for load in loads]


def _dollars(amount: float) -> str:
    return "0" if not amount else "<1" if amount < 0.5 else f"{amount:,.0f}"


def _lines(heads: Sequence[str], rows: Sequence[Sequence[str]], left: int = 0) -> str:
    """`left` columns at the end are texts; without it all but the first are figures."""
    figures = len(heads) - 1 - left
    under = ["---", *["---:"] * figures, *["---"] * left]
    return "\n".join(f"|{'|'.join(f' {cell} ' if cell else ' ' for cell in cells)}|" for cells in (heads, under, *rows))
