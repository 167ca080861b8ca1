"""What settings may say of the services outside, the executor and a collector of spans, and what they may not."""

from __future__ import annotations

from tests.unit.infra.configs import DOCKER, FARGATE, changed, without

KEPT = [
    without(DOCKER, "executorUrl"),
    changed(DOCKER, executorUrl="http://executor.web-next.test:8080"),
    changed(without(DOCKER, "executorUrl"), executorAuth="bearer"),
    changed(FARGATE, executorAuth="bearer", telemetry={"endpoint": "https://otel.web-next.test:4318", "headers": True}),
    changed(DOCKER, outside=True),
    changed(DOCKER, telemetry={"endpoint": "http://10.213.7.1:4318"}),
    without(changed(FARGATE, adapters={"guardrails": "mock"}), "executorUrl"),
]
BROKEN = {
    "guardrails from nowhere": (
        without(changed(FARGATE, adapters={"audit": "mock"}), "executorUrl"),
        ["executorUrl is not set: real guardrails come from there; set it, or set adapters.guardrails to mock"],
    ),
    "an executor without TLS": (
        changed(FARGATE, executorUrl="http://executor.web-next.test:8080"),
        [
            'executorUrl is "http://executor.web-next.test:8080": on fargate it must be https; the way to the executor '
            "leaves the VPC, and the console's page may not ask http"
        ],
    ),
    "a token for nobody": (
        without(changed(FARGATE, adapters={"guardrails": "mock"}, executorAuth="bearer"), "executorUrl"),
        ["executorAuth is bearer and there is no executor: set executorUrl, or remove executorAuth"],
    ),
    "spans without TLS": (
        changed(FARGATE, telemetry={"endpoint": "http://otel.web-next.test:4318"}),
        [
            'telemetry.endpoint is "http://otel.web-next.test:4318": on fargate it must be https; spans and the '
            "headers of whoever collects them leave the VPC"
        ],
    ),
    "a way out of a machine on AWS": (
        changed(FARGATE, outside=True),
        ["outside is true: on fargate tasks leave by NAT, whatever is set; remove it"],
    ),
    "a way out of a candidate's own": (
        changed(DOCKER, outside=True, track="candidate", base="local"),
        ["outside is true: a candidate has the way out that its base has; remove it, and set the base's"],
    ),
    "headers for nobody": (
        changed(DOCKER, telemetry={"headers": True}),
        ["telemetry.headers is true and no collector gets them: set telemetry.endpoint, or remove the headers"],
    ),
}
"""By what is wrong: the configuration, and the clauses that it is refused with."""
