"""The keys of a stack's settings: what `Pulumi.<stack>.yaml` may say, each key by itself."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from ipaddress import IPv4Network, collapse_addresses
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field

from infra.settings.access import AccessSettings
from infra.settings.forms import DOMAIN, Hearer, RoleArn, Word
from infra.settings.outside import HEADERS, TOKEN, TelemetrySettings, Url, port_of
from infra.settings.problems import SettingsError, models
from infra.settings.sections import (
    AdaptersSettings,
    DatabaseSettings,
    EdgeSettings,
    FargateSettings,
    MachineSettings,
    QueuesSettings,
    SmokeSettings,
    Whole,
)
from outputs.network import NetworkSettings, placed_in
from outputs.placeholders import LATER
from outputs.rollout import RolloutSettings
from outputs.section import FORM, Switch, known, like
from outputs.smoke import Profile, Rules, Waiver

LOG_DAYS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)
"""The retentions that CloudWatch Logs has."""
Keepsake = Literal["audit", "balancer", "evidence", "records", "vault"]
"""What holds data or is reached by others, by the name under which its end may be asked for."""
OFFICE_REQUESTS = 3000
"""What fifty tabs behind one address send in 300 s: the dashboard keeps each to 12 requests a minute."""
EXECUTOR_PORT = 3010
"""The port of the executor's double."""


def _log_days(days: int) -> int:
    if days not in LOG_DAYS:
        raise ValueError("no such retention")
    return days


_TIME = "([01][0-9]|2[0-3]):[0-5][0-9]"
_DAY = "(mon|tue|wed|thu|fri|sat|sun)"
_NUMBER = "(?:0|[1-9][0-9]{0,5})"


class Settings(BaseModel):
    """All settings of one stack. Only those that :func:`infra.settings.reading.load` returns are checked whole."""

    model_config = FORM

    track: Literal["stable", "candidate"]
    base: str | None = None
    runtime: Literal["docker", "fargate"]
    account: Annotated[str, like("[0-9]{12}", "an account id, 12 digits; quote it in YAML")]
    region: Annotated[str, like("[a-z]{2,4}(-[a-z]+)+-[0-9]", "an AWS region, such as eu-central-1")]
    zones: Annotated[
        list[Annotated[str, Field(pattern=r"^[a-z]{2}(-[a-z]+)+-[0-9][a-z]$")]],
        known("a list of availability zones, such as eu-central-1a"),
    ] = []
    domain: Annotated[str, Field(max_length=253), like(DOMAIN, "a DNS name in lower case, without scheme or port")]
    executor_url: Url = None
    executor_auth: Literal["bearer"] | None = None
    telemetry: TelemetrySettings = TelemetrySettings()
    outside: Switch = False

    image: str
    build_sha: Annotated[str, like(r"[0-9a-f]{7,40}", "a commit, 7 to 40 hex digits; quote it in YAML")]
    version: Annotated[str, like(rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}", "three numbers, such as 1.5.1")]
    adapters: Annotated[
        AdaptersSettings, known("an object of audit, evidence, queue, guardrails, each mock or production")
    ] = AdaptersSettings()

    edge: EdgeSettings = EdgeSettings()
    access: AccessSettings = AccessSettings()
    worker_command: Annotated[
        list[Word], Field(min_length=1), known("a list of words, the command that runs the alert worker")
    ] = [
        "python3",
        "-m",
        "webnext",
        "worker",
    ]
    health_command: Annotated[list[Word], known("a list of words that asks /healthz in the container")] = []
    fargate: FargateSettings = FargateSettings()

    evidence_bucket: str | None = None
    retention_days: Annotated[Whole, Field(ge=1, le=3650)] = 30
    operator_roles: Annotated[list[RoleArn], known("a list of role ARNs, arn:aws:iam::ACCOUNT:role/NAME")] = []

    network: NetworkSettings = NetworkSettings()

    database: DatabaseSettings = DatabaseSettings()
    audit_retention_months: Annotated[Whole | None, Field(ge=1, le=1200)] = None

    queues: QueuesSettings = QueuesSettings()
    backup_window: Annotated[str, like(f"{_TIME}-{_TIME}", "HH:MM-HH:MM in UTC")] = "01:00-02:00"
    maintenance_window: Annotated[str, like(f"{_DAY}:{_TIME}-{_DAY}:{_TIME}", "ddd:HH:MM-ddd:HH:MM in UTC")] = (
        "sun:03:00-sun:04:00"
    )
    apply_immediately: Switch = False
    log_days: Annotated[
        Whole, AfterValidator(_log_days), known(f"one of CloudWatch's: {', '.join(map(str, LOG_DAYS))}")
    ] = 30
    alarm_targets: Annotated[list[Hearer], known("a list of e-mail addresses and https URLs")] = []
    may_destroy: Annotated[
        list[Keepsake], known("a list of what may be destroyed or replaced: audit, balancer, evidence, records, vault")
    ] = []

    smoke: SmokeSettings = SmokeSettings()
    rollout: RolloutSettings = RolloutSettings()

    machine: MachineSettings | None = None

    @property
    def has_release(self) -> bool:
        """Whether there is an image to run. Without one a stack is what the release will stand on."""
        return self.image != LATER

    @property
    def origin(self) -> str:
        """Where the console is reached: scheme, host and port, as browsers send it."""
        return f"https://{self.domain}" + (f":{self.machine.edge_port}" if self.machine else "")

    @property
    def double(self) -> str | None:
        """The address of the executor's double, which runs on a machine unless an executor is set; else None."""
        if self.executor_url is None and self.machine:
            return f"http://{self.machine.executor_address}:{EXECUTOR_PORT}"
        return None

    @property
    def executor(self) -> str | None:
        """The executor's address: the one that is set, else the double's."""
        return self.executor_url or self.double

    @property
    def ports_outside(self) -> list[int]:
        """The ports at which the app reaches the executor and the collector of its spans."""
        return sorted({port_of(url) for url in (self.executor, self.telemetry.endpoint) if url})

    @property
    def vault_entries(self) -> list[str]:
        """The secrets that the app reads beside those that every stack has."""
        asked = {TOKEN: self.executor_auth == "bearer", HEADERS: self.telemetry.headers}
        return [name for name, wanted in asked.items() if wanted]

    @property
    def placed_in(self) -> list[str]:
        """The availability zones, in the order of the subnets."""
        return placed_in(self.zones, self.region)

    @property
    def operators(self) -> list[str]:
        """Whom resource policies let in beside the app: whoever deploys and is on call; on a machine its account."""
        return self.operator_roles or [f"arn:aws:iam::{self.account}:root"]

    @property
    def has_bastion(self) -> bool:
        """Whether the database is reached from outside, by now or later; the way must be there before its first use."""
        return self.machine is None and self.database.access != "direct"

    def keeps(self, what: Keepsake) -> bool:
        """Whether a part outlives every change: always, unless its end was asked for by name."""
        return what not in self.may_destroy

    @property
    def authority(self) -> str | None:
        """The file of the authority that signed the edge's certificate; None where it is a public one."""
        return self.machine.authority if self.machine else None

    @property
    def emulator(self) -> str | None:
        """The address of AWS's APIs on a machine; None where they are AWS's own."""
        return self.machine.emulator if self.machine else None

    @property
    def let_in(self) -> dict[int, list[IPv4Network]]:
        """The networks that a load balancer lets in, by port: as wide as the edge's lists and `edge.trustedCallers`
        together, and no wider. Whoever types the address without https is led there by port 80."""
        edge = self.access.edge
        asking = [IPv4Network(one) for one in (*edge.console, *edge.webhook, *edge.audit_push)]
        return {
            80: [IPv4Network(one) for one in edge.console],
            443: list(collapse_addresses([*asking, *self.edge.trusted_callers])),
        }

    @property
    def most_edges(self) -> int:
        """How many nginx there are at most, each with a limit of its own."""
        return 1 if self.machine else self.fargate.most_tasks

    @property
    def let_through(self) -> int:
        """What nginx, all of them together, lets one address send to /api/ in 300 s."""
        return self.most_edges * (5 * self.edge.rate_per_minute + self.edge.burst + 1)

    @property
    def firewall(self) -> int | None:
        """What one address may send in 300 s, where a firewall is before the edge."""
        return None if self.machine else self.waf_requests

    @property
    def waf_requests(self) -> int:
        """What the firewall lets one address send in 300 s: as set, else an office's or what nginx lets through."""
        return self.fargate.waf_requests or max(OFFICE_REQUESTS, self.let_through)

    @property
    def rules(self) -> Rules:
        """What a verdict on this stack is made by."""
        waivers = [Waiver(**waiver.model_dump()) for waiver in self.smoke.waivers]
        return Rules(must_pass=self.smoke.must_pass, max_age_minutes=self.smoke.max_age_minutes, waivers=waivers)

    @property
    def profile(self) -> Profile:
        """What the smoke suite may do: all on a machine, where nobody trades; else what leaves others alone."""
        return self.smoke.profile or ("full" if self.machine else "prod")

    def require_base(self) -> str:
        """The stack that a candidate stands on. Raises SettingsError on a stable track."""
        if self.base is None:
            raise SettingsError(f"track is {self.track}: only a candidate has a base")
        return self.base

    def require_machine(self) -> MachineSettings:
        """The machine of a docker stack. Raises SettingsError on any other."""
        if self.machine is None:
            raise SettingsError(f"runtime is {self.runtime}: only docker stacks run on a machine")
        return self.machine

    @property
    def digest(self) -> str:
        """SHA-256 over all settings: it changes when any of them does."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


SECTIONS: Mapping[str, type[BaseModel]] = {
    str(field.alias): found[0]
    for field in Settings.model_fields.values()
    if not isinstance(field.default, list) and (found := models(field))
}
"""The keys that are objects, with the model of each."""
