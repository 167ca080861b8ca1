"""Evidence that a share is over its limit, in numbers that may be looked at after every request.

What is compared is a likelihood: of what was counted if the share is over the limit, averaged over several shares, and
if it is at the limit. While it is at the limit or below, the ratio of the two is a supermartingale that begins at 1,
so the chance that it *ever* comes to 1000 is at most 1 in 1000, however often one looks (Ville 1939; Wald 1945 for one
alternative, Robbins 1970 for a mixture; Ramdas et al., 'Game-theoretic statistics and safe anytime-valid inference',
2023). Requests need not be independent for that: each may be bad with at most the limit's chance, given those before.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from math import ceil, exp, inf, lgamma, log
from typing import NamedTuple

FAILS_AT = 1000.0
"""The ratio at which a gate has failed."""
LEAST = 20
"""Requests before which no gate fails."""
ENOUGH = 3.0
"""A pass needs this divided by the limit: none bad of so many says 'below the limit' with 95 % confidence (the rule of
three, Hanley and Lippman-Hand 1983)."""
MULTIPLES = (1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 40.0)
"""The alternatives, in limits; those below 1 count alike."""
RESTARTS_EACH = 15 * 60.0
"""Seconds from one point to the next from which counting begins anew, beside the count of the whole phase: what went
well for hours says nothing for a release that breaks now."""
PRIORS = ((1.0, 20.0), (0.5, 100.0))
"""Of candidate and stable where they are compared, as beta distributions: about 5 % bad and about half a percent."""


class Tally(NamedTuple):
    """So many bad ones of so many; whole numbers where they were counted."""

    bad: float
    of: float

    @property
    def share(self) -> float | None:
        """Bad ones of all, None of nothing."""
        return self.bad / self.of if self.of else None


def evidence(limit: float, seen: Tally) -> float:
    """The natural logarithm of the ratio for 'more than `limit`'. Takes as long for a million as for ten."""
    bad, good = seen.bad, seen.of - seen.bad
    alternatives = _alternatives(limit)
    return _log_sum([bad * worse + good * better for worse, better in alternatives]) - log(len(alternatives))


def evidence_above(limit: float, seen: Tally, stable: Tally) -> float:
    """The same for 'more than `limit` above stable's share', which is an estimate itself.

    The average over shares of both is held against the pair of shares that is likeliest among those that respect the
    limit. For whichever pair is true that is less than the ratio against it, a martingale, so the bound of 1 in 1000
    holds with any split of the traffic (universal inference: Wasserman, Ramdas, Balakrishnan 2020). It supposes that
    each track's share stays as it is.
    """
    averaged = sum(
        _beta(a + each.bad, b + each.of - each.bad) - _beta(a, b)
        for each, (a, b) in zip((seen, stable), PRIORS, strict=True)
    )
    return averaged - _likeliest(limit, seen, stable)


def restarts(hold: float) -> int:
    """How many such points a phase may have that holds for so many seconds, and is extended once."""
    return int(2 * hold / RESTARTS_EACH)


def combined(whole: float, since: Sequence[float], points: int) -> float:
    """The evidence of the whole phase and, where there are `points`, that `since` some of them, in one number.

    Half of the weight is the whole phase's, half is shared by all points, also by those to come: an average of
    martingales is one, so the bound holds as before. Leaving some points out makes it smaller.
    """
    if not points:
        return whole
    return _log_sum([whole - log(2), *(each - log(2 * points) for each in since)])


def failed(logarithm: float, seen: Tally) -> bool:
    """Whether that is evidence enough."""
    return seen.of >= LEAST and logarithm >= log(FAILS_AT)


def needed(limit: float) -> int:
    """What must be seen for a pass."""
    return ceil(ENOUGH / limit)


@cache
def _alternatives(limit: float) -> list[tuple[float, float]]:
    """For each alternative, by what a bad and a good one multiply its ratio, as logarithms."""
    shares = [limit * multiple for multiple in MULTIPLES if limit * multiple < 1]
    return [(log(share / limit), log((1 - share) / (1 - limit))) for share in shares]


def _likeliest(limit: float, seen: Tally, stable: Tally) -> float:
    """The greatest log-likelihood of two shares of which the first is at most `limit` above the second."""
    own, others = seen.share or 0.0, stable.share or 0.0
    if own > others + limit:
        low, high = others, own - limit
        for _ in range(50):  # the log-likelihood along the border is concave
            middle = (low + high) / 2
            rises = _slope(seen, middle + limit) + _slope(stable, middle) > 0
            low, high = (middle, high) if rises else (low, middle)
        own, others = high + limit, high
    return _log_likelihood(seen, own) + _log_likelihood(stable, others)


def _slope(seen: Tally, share: float) -> float:
    return (seen.bad / share if seen.bad else 0.0) - (seen.of - seen.bad) / (1 - share)


def _log_likelihood(seen: Tally, share: float) -> float:
    good = seen.of - seen.bad
    return (seen.bad * _log(share) if seen.bad else 0.0) + (good * _log(1 - share) if good else 0.0)


def _log(value: float) -> float:
    return log(value) if value > 0 else -inf


def _beta(a: float, b: float) -> float:
    """The logarithm of the beta function."""
    return lgamma(a) + lgamma(b) - lgamma(a + b)


def _log_sum(logarithms: list[float]) -> float:
    greatest = max(logarithms)
    return greatest + log(sum(exp(each - greatest) for each in logarithms))
