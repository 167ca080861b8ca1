"""The checks of the suite, one a module."""

from cutover.smoke.check import Suite
from cutover.smoke.checks import (
    audit,
    build,
    dashboards,
    evidence,
    export,
    guardrails,
    headers,
    health,
    monitoring,
    queue,
    rate_limit,
    replicas,
    trace_copy,
)

SUITE = Suite(
    together=(
        queue.CHECK,
        trace_copy.CHECK,
        health.CHECK,
        audit.CHECK,
        evidence.CHECK,
        guardrails.CHECK,
        build.CHECK,
        export.CHECK,
        monitoring.CHECK,
        dashboards.CHECK,
    ),
    last=(rate_limit.CHECK,),  # it fills the bucket of this address: nothing that is limited comes after it
    judges=(replicas.CHECK, headers.CHECK),
)
