"""The checks of the suite, one a module."""

from cutover.smoke.check import Suite
from cutover.smoke.checks import audit, build, evidence, export, guardrails, headers, health, queue, rate_limit

SUITE = Suite(
    together=(
        queue.CHECK,
        health.CHECK,
        audit.CHECK,
        evidence.CHECK,
        guardrails.CHECK,
        headers.CHECK,
        build.CHECK,
        export.CHECK,
    ),
    last=(rate_limit.CHECK,),  # it fills the bucket of this address
)
