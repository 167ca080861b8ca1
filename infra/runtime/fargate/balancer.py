"""The load balancer: TLS, two target groups, and how much of the traffic each gets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network

import pulumi
import pulumi_aws as aws

from infra.naming import Names
from infra.network import Network
from infra.runtime.fargate.access_logs import AccessLogs, AccessLogsArgs
from infra.runtime.fargate.certificate import ConsoleCertificate, ConsoleCertificateArgs
from infra.runtime.fargate.kept import keeping_the_split
from infra.runtime.fargate.task import EDGE_PORT
from infra.settings.keys import Settings
from infra.shapes import later
from outputs.release import Track
from outputs.traffic import FargateTraffic

TLS = "ELBSecurityPolicy-TLS13-1-2-Res-2021-06"
"""TLS 1.2 and 1.3; ciphers that have forward secrecy and authenticate what they encrypt, as nginx' own."""
PINNED_SECONDS = 60
"""How long a browser stays on its track: long enough for a page and its scripts. Each request begins it anew."""
TRACKS: tuple[Track, ...] = ("stable", "candidate")
TRACK_HEADER = "X-Web-Next-Track"


@dataclass(frozen=True, kw_only=True)
class BalancerArgs:
    """`trusted_callers` are networks that may ask for a track, `let_in` those that get a connection, by port. An
    `internal` balancer has addresses of the VPC alone. `keep` refuses its end and its replacement."""

    names: Names
    network: Network
    certificate: ConsoleCertificateArgs
    pinning: str
    trusted_callers: Sequence[str]
    let_in: Mapping[int, Sequence[IPv4Network]]
    internal: bool
    logs: AccessLogsArgs
    keep: bool

    @classmethod
    def of(cls, settings: Settings, names: Names, network: Network) -> BalancerArgs:
        return cls(
            names=names,
            network=network,
            certificate=ConsoleCertificateArgs.of(settings),
            pinning=settings.edge.pinning,
            trusted_callers=[str(caller) for caller in settings.edge.trusted_callers],
            let_in=settings.let_in,
            internal=settings.access.internal,
            logs=AccessLogsArgs.of(names, settings.log_days, keep=settings.keeps("balancer")),
            keep=settings.keeps("balancer"),
        )


class Balancer(pulumi.ComponentResource):
    """An application load balancer in the public subnets. HTTP leads to HTTPS, and HTTPS always to both target
    groups by weight: 100 and 0 at first. Later weights, whether browsers are kept on their track, and the rollout's
    mark in the listener's tags are run-time state: cutover sets it, and no `up` puts it back."""

    balancer: aws.lb.LoadBalancer
    listener: aws.lb.Listener
    groups: dict[str, aws.lb.TargetGroup]
    traffic: FargateTraffic

    def __init__(self, name: str, args: BalancerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("web-next:fargate:Balancer", name, None, opts)
        self._name, self._args = name, args
        self._child = pulumi.ResourceOptions(parent=self)
        certificate = ConsoleCertificate("certificate", args.certificate, self._child)
        network = args.network
        group = network.group("balancer", "web-next: the load balancer")
        network.allow("balancer", group, "app", network.app, EDGE_PORT)
        for port, networks in args.let_in.items():
            for let_in in networks:
                network.allow_network("balancer", group, let_in, port)
        logs = AccessLogs("access-logs", args.logs, self._child)
        self.balancer = aws.lb.LoadBalancer(
            name,
            name=args.names.balancer,
            load_balancer_type="application",
            internal=args.internal,
            subnets=network.subnet_ids["public"],
            security_groups=[group.id],
            drop_invalid_header_fields=True,
            desync_mitigation_mode="strictest",
            idle_timeout=60,
            access_logs=aws.lb.LoadBalancerAccessLogsArgs(bucket=logs.bucket, enabled=True),
            enable_deletion_protection=args.keep,
            # Elastic Load Balancing writes a file to see whether it may. What is replaced under its own name is deleted
            # first, its listeners before it, which AWS' protection would not stop.
            opts=pulumi.ResourceOptions(parent=self, protect=args.keep, depends_on=[logs]),
        )
        self.groups = {track: self._group(track) for track in TRACKS}
        self._http()
        self.listener = self._https(certificate)
        self.traffic = self._split_at(later(self.listener.arn))
        for priority, track in enumerate(TRACKS, 1):
            self._pin(track, priority)
        self.register_outputs({"listener": self.listener.arn})

    def _group(self, track: str) -> aws.lb.TargetGroup:
        names = self._args.names
        return aws.lb.TargetGroup(
            f"{self._name}-{track}",
            name=names.within(f"{names.prefix}-{track}", 32),
            vpc_id=self._args.network.vpc_id,
            port=EDGE_PORT,
            protocol="HTTP",
            target_type="ip",
            deregistration_delay=15,
            load_balancing_algorithm_type="least_outstanding_requests",
            health_check=aws.lb.TargetGroupHealthCheckArgs(
                path="/healthz", matcher="200", interval=5, timeout=3, healthy_threshold=2, unhealthy_threshold=2
            ),
            opts=self._child,
        )

    def _http(self) -> None:
        aws.lb.Listener(
            f"{self._name}-http",
            load_balancer_arn=self.balancer.arn,
            port=80,
            protocol="HTTP",
            default_actions=[
                aws.lb.ListenerDefaultActionArgs(
                    type="redirect",
                    redirect=aws.lb.ListenerDefaultActionRedirectArgs(
                        protocol="HTTPS", port="443", status_code="HTTP_301"
                    ),
                )
            ],
            opts=self._child,
        )

    def _https(self, certificate: ConsoleCertificate) -> aws.lb.Listener:
        weights = {"stable": 100, "candidate": 0}
        forward = aws.lb.ListenerDefaultActionForwardArgs(
            target_groups=[
                aws.lb.ListenerDefaultActionForwardTargetGroupArgs(arn=self.groups[track].arn, weight=weight)
                for track, weight in weights.items()
            ],
            # At 100 and 0 nobody is kept. AWS asks for a duration all the same.
            stickiness=aws.lb.ListenerDefaultActionForwardStickinessArgs(enabled=False, duration=PINNED_SECONDS),
        )
        return aws.lb.Listener(
            f"{self._name}-https",
            load_balancer_arn=self.balancer.arn,
            port=443,
            protocol="HTTPS",
            ssl_policy=TLS,
            certificate_arn=certificate.arn,
            default_actions=[aws.lb.ListenerDefaultActionArgs(type="forward", forward=forward)],
            opts=pulumi.ResourceOptions(
                parent=self,
                ignore_changes=["defaultActions", "tags", "tagsAll"],
                hooks=keeping_the_split(self._name, self._split_at),
            ),
        )

    def _split_at(self, listener: str) -> FargateTraffic:
        return FargateTraffic(
            region=self._args.names.region,
            listener=listener,
            stable=later(self.groups["stable"].arn),
            candidate=later(self.groups["candidate"].arn),
            pinned_seconds=PINNED_SECONDS if self._args.pinning == "cookie" else None,
        )

    def _pin(self, track: str, priority: int) -> None:
        aws.lb.ListenerRule(
            f"{self._name}-{track}",
            listener_arn=self.listener.arn,
            priority=priority,
            actions=[aws.lb.ListenerRuleActionArgs(type="forward", target_group_arn=self.groups[track].arn)],
            conditions=[
                aws.lb.ListenerRuleConditionArgs(
                    http_header=aws.lb.ListenerRuleConditionHttpHeaderArgs(
                        http_header_name=TRACK_HEADER, values=[track]
                    )
                ),
                aws.lb.ListenerRuleConditionArgs(
                    source_ip=aws.lb.ListenerRuleConditionSourceIpArgs(values=list(self._args.trusted_callers))
                ),
            ],
            opts=self._child,
        )
