"""What settings may say each alone, and together they may not: of a release, its size, its image and its data."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from cutover.smoke import Provable, most_burst
from infra.naming import Names, stack_problem
from infra.settings import belonging, reach, task_sizes, windows
from infra.settings.keys import Settings
from infra.settings.rule import Rules
from outputs.placeholders import LATER
from outputs.section import DIGEST, PUSHED
from outputs.smoke import Criterion

RULES = Rules()
LONGEST_ISSUED = 64
"""The common name of a certificate (RFC 5280): ACM takes a longer one as a further name alone."""


def broken(settings: Settings, stack: str, wrong: frozenset[str] = frozenset()) -> list[str]:
    """Every broken rule as a clause, as `Rules.broken` has them: these, those of where a stack is and who comes, and
    those of what it names."""
    return [
        clause for rules in (RULES, reach.RULES, belonging.RULES) for clause in rules.broken(settings, stack, wrong)
    ]


@RULES.needs("track", "base")
def _a_candidate_has_a_base(settings: Settings, stack: str) -> Iterator[str]:
    if settings.track == "candidate" and not settings.base:
        yield "track is candidate: set 'base' to the stack that owns its slot"
    elif settings.base == stack:
        yield f"base is {stack}: a candidate stands on another stack than itself; name the one that owns its slot"
    elif settings.base and (problem := stack_problem(settings.base)):
        yield f"base is {json.dumps(settings.base)}: {problem}"
    if settings.track == "stable" and settings.base:
        yield "track is stable: remove 'base'; only a candidate stands on another stack"


@RULES.needs("runtime", "database.access")
def _a_machines_own_database_is_reached_directly(settings: Settings, _stack: str) -> Iterator[str]:
    if settings.runtime == "docker" and settings.database.access == "tunnel":
        yield "database.access is tunnel: a docker stack's database is on this machine; set it to direct"


@RULES.needs("runtime", "machine")
def _a_machine_belongs_to_docker(settings: Settings, _stack: str) -> Iterator[str]:
    if settings.runtime == "docker" and settings.machine is None:
        yield "runtime is docker: 'machine' is missing; make up writes it"
    if settings.runtime == "fargate" and settings.machine is not None:
        yield "runtime is fargate: remove 'machine'; it belongs to docker stacks"


@RULES.needs("runtime", "track", "outside")
def _a_way_out_is_a_machines_and_its_bases(settings: Settings, _stack: str) -> Iterator[str]:
    if settings.outside and settings.runtime == "fargate":
        yield "outside is true: on fargate tasks leave by NAT, whatever is set; remove it"
    elif settings.outside and settings.track == "candidate":
        yield "outside is true: a candidate has the way out that its base has; remove it, and set the base's"


@RULES.needs("runtime", "adapters.guardrails", "executorUrl")
def _real_guardrails_come_from_an_executor(settings: Settings, _stack: str) -> Iterator[str]:
    if settings.runtime == "fargate" and settings.adapters.guardrails == "production" and not settings.executor_url:
        yield "executorUrl is not set: real guardrails come from there; set it, or set adapters.guardrails to mock"


@RULES.needs("runtime", "executorUrl")
def _the_executor_is_reached_over_tls_on_aws(settings: Settings, _stack: str) -> Iterator[str]:
    if settings.runtime == "fargate" and (settings.executor_url or "https").partition(":")[0] != "https":
        yield (
            f"executorUrl is {json.dumps(settings.executor_url)}: on fargate it must be https; the way to the executor "
            "leaves the VPC, and the console's page may not ask http"
        )


@RULES.needs("runtime", "executorUrl", "executorAuth")
def _a_token_is_shown_to_somebody(settings: Settings, _stack: str) -> Iterator[str]:
    if settings.runtime == "fargate" and settings.executor_auth and not settings.executor_url:
        yield "executorAuth is bearer and there is no executor: set executorUrl, or remove executorAuth"


@RULES.needs("runtime", "telemetry.endpoint", "telemetry.headers")
def _spans_are_sent_over_tls_on_aws(settings: Settings, _stack: str) -> Iterator[str]:
    endpoint = settings.telemetry.endpoint
    if settings.runtime == "fargate" and (endpoint or "https").partition(":")[0] != "https":
        yield (
            f"telemetry.endpoint is {json.dumps(endpoint)}: on fargate it must be https; spans and the headers of "
            "whoever collects them leave the VPC"
        )
    if settings.telemetry.headers and not endpoint:
        yield "telemetry.headers is true and no collector gets them: set telemetry.endpoint, or remove the headers"


@RULES.needs("runtime", "track", "image")
def _an_image_is_a_digest(settings: Settings, _stack: str) -> Iterator[str]:
    if not settings.has_release:
        if settings.runtime == "docker" or settings.track == "candidate":
            yield "image is later: that is for a stable stack on fargate, whose repositories come first; name a digest"
    elif not re.fullmatch(DIGEST if settings.runtime == "docker" else PUSHED, settings.image):
        form = "an image id sha256:…" if settings.runtime == "docker" else "repository@sha256:…, never a tag"
        yield f"image is {json.dumps(settings.image)}: on {settings.runtime} it must be {form}"


@RULES.needs("runtime", "image", "edge.image")
def _nginx_is_a_digest_on_aws(settings: Settings, _stack: str) -> Iterator[str]:
    if settings.runtime != "fargate":
        return
    if LATER in (settings.image, settings.edge.image):
        if settings.image != settings.edge.image:
            yield (
                f"image is {json.dumps(settings.image)} and edge.image is {json.dumps(settings.edge.image)}: a task "
                "runs both; set both to later, and when both are pushed to their digests"
            )
        return
    if settings.edge.image is None:
        yield "edge.image is not set: on fargate nginx runs beside the app; name its image, repository@sha256:…"
    elif not re.fullmatch(PUSHED, settings.edge.image):
        yield f"edge.image is {json.dumps(settings.edge.image)}: it must be repository@sha256:…, never a tag"


@RULES.needs("runtime", "track", "image", "rollout.watchImage")
def _somebody_watches_on_aws(settings: Settings, _stack: str) -> Iterator[str]:
    watched = settings.runtime == "fargate" and settings.track == "stable" and settings.has_release
    if watched and settings.rollout.watch_image is None:
        yield (
            "rollout.watchImage is not set: on fargate a task ticks each minute, and without it no gate takes a "
            "candidate back; name cutover's image, repository@sha256:…"
        )


@RULES.needs("runtime", "track", "fargate.hostedZoneId", "fargate.certificateArn")
def _the_console_has_a_certificate(settings: Settings, _stack: str) -> Iterator[str]:
    given = [settings.fargate.hosted_zone_id, settings.fargate.certificate_arn]
    if settings.runtime == "fargate" and settings.track == "stable" and given == [None, None]:
        yield (
            "fargate has no certificate: set fargate.hostedZoneId to have a certificate issued, or "
            "fargate.certificateArn to use an existing one"
        )


@RULES.needs("runtime", "track", "domain", "fargate.certificateArn")
def _the_name_is_one_that_a_certificate_is_issued_for(settings: Settings, _stack: str) -> Iterator[str]:
    issued = settings.runtime == "fargate" and settings.track == "stable" and not settings.fargate.certificate_arn
    if issued and len(settings.domain) > LONGEST_ISSUED:
        yield (
            f"domain is {settings.domain}: it has {len(settings.domain)} characters, and ACM issues a certificate for "
            f"a name of at most {LONGEST_ISSUED}; choose a shorter one, or name a certificate that has it by "
            "fargate.certificateArn"
        )


@RULES.needs("fargate.tasks", "fargate.mostTasks", "fargate.cpu", "fargate.memory")
def _tasks_are_of_a_size_that_fargate_has(settings: Settings, _stack: str) -> Iterator[str]:
    fargate = settings.fargate
    if fargate.most_tasks < fargate.tasks:
        yield f"fargate.mostTasks is {fargate.most_tasks}: it must not be fewer than fargate.tasks, {fargate.tasks}"
    yield from task_sizes.problems(fargate.cpu, fargate.memory)


@RULES.needs("runtime", "machine", "fargate.wafRequests", "fargate.mostTasks", "edge.ratePerMinute", "edge.burst")
def _the_firewall_refuses_nothing_that_nginx_lets_through(settings: Settings, _stack: str) -> Iterator[str]:
    asked, least = settings.fargate.waf_requests, settings.let_through
    if settings.runtime == "fargate" and asked is not None and asked < least:
        yield (
            f"fargate.wafRequests is {asked}: nginx of {settings.fargate.most_tasks} tasks lets {least} through in "
            "300 s; set that or more, or remove it"
        )


@RULES.needs(
    *("track", "machine", "edge.ratePerMinute", "edge.burst", "fargate.mostTasks", "smoke.profile", "smoke.mustPass"),
)
def _the_suite_can_prove_the_limit(settings: Settings, _stack: str) -> Iterator[str]:
    if settings.track != "stable" or Criterion.RATE_LIMIT not in settings.smoke.must_pass:
        return
    rate, burst, few = settings.edge.rate_per_minute, settings.edge.burst, settings.machine is None
    can = Provable(burst=burst, edges=settings.most_edges, few=few or settings.profile == "prod")
    if rate < can.least_rate:
        yield (
            f"edge.ratePerMinute is {rate}: smoke is cut off after two minutes, before it has seen so low a rate, and "
            f"no run is a GO; set {can.least_rate} or more"
        )
    elif burst > most_burst(rate):
        yield (
            f"edge.burst is {burst}: at edge.ratePerMinute {rate} that takes smoke, or the next one until it has "
            f"drained, longer than the two minutes that a run has; set {most_burst(rate)} or less"
        )
    elif burst < can.least_burst:
        yield (
            f"edge.burst is {burst}: smoke that sends few requests does not see the rate then, and no run is a GO; set "
            f"{can.least_burst} or more"
        )


@RULES.needs("evidenceBucket")
def _names_are_ones_that_aws_takes(settings: Settings, stack: str) -> Iterator[str]:
    yield from Names.of(settings, stack).problems()


@RULES.needs("database.storage", "database.maxStorage")
def _storage_can_grow(settings: Settings, _stack: str) -> Iterator[str]:
    most = settings.database.max_storage
    if most is not None and most * 10 < settings.database.storage * 11:
        least = -(-settings.database.storage * 11 // 10)
        yield f"database.maxStorage is {most}: RDS wants a tenth more than database.storage, {least} or more"


@RULES.needs("runtime", "track", "alarmTargets", "operatorRoles")
def _production_has_somebody_to_call(settings: Settings, _stack: str) -> Iterator[str]:
    if settings.runtime == "fargate" and settings.track == "stable":
        if not settings.alarm_targets:
            yield "alarmTargets is empty: on AWS alarms must reach somebody; name an e-mail address or an https URL"
        if not settings.operator_roles:
            yield "operatorRoles is empty: vault and evidence would lock out whoever deploys; name their roles"


@RULES.needs("backupWindow", "maintenanceWindow")
def _windows_are_apart(settings: Settings, _stack: str) -> Iterator[str]:
    yield from windows.problems(settings.backup_window, settings.maintenance_window)
