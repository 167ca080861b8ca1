"""The checks of the suite, one a module."""

from cutover.smoke.check import Check
from cutover.smoke.checks import audit, build, evidence, export, guardrails, headers, health, queue, rate_limit

CHECKS: tuple[Check, ...] = (
    queue.CHECK,
    health.CHECK,
    audit.CHECK,
    evidence.CHECK,
    guardrails.CHECK,
    headers.CHECK,
    build.CHECK,
    export.CHECK,
)
"""They run side by side; what waits longest begins."""
LAST: tuple[Check, ...] = (rate_limit.CHECK,)
"""They run when the others are done: the rate check fills the bucket of this address."""
