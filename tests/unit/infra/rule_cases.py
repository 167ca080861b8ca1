"""Settings that keep every rule between them, and settings that break one, with what is said of it."""

from __future__ import annotations

import json
from pathlib import Path

from cutover.schema import authorities
from tests.unit.infra import belonging_cases, outside_cases
from tests.unit.infra.configs import ACCOUNT, DOCKER, FARGATE, MACHINE, STACK, changed, without

ROOT = Path(__file__).parents[3]
CANDIDATE = changed(FARGATE, track="candidate", base="prod")
IDS = {f"{tier}SubnetIds": [f"subnet-{n}a", f"subnet-{n}b"] for n, tier in enumerate(("app", "data", "public"))}
ZONE = {"hostedZoneId": "Z0123456789ABCDEFGHIJ"}
EXISTING = {"vpcId": "vpc-0a", **IDS}
CERTIFICATE = {"certificateArn": "arn:aws:acm:eu-central-1:123456789012:certificate/1"}
LONG = f"console.{'a' * 44}.example.org"
"""As long as the common name of a certificate may be."""


KEPT: list[dict[str, str]] = [
    DOCKER,
    FARGATE,
    CANDIDATE,
    changed(FARGATE, evidenceBucket="spark-evidence-prod"),
    changed(FARGATE, zones=[f"eu-central-1{zone}" for zone in "abcd"]),
    changed(DOCKER, zones=["eu-central-1b", "eu-central-1c"]),
    without(CANDIDATE, "access", "zones", "alarmTargets", "operatorRoles"),
    changed(FARGATE, access={"clients": "anyone"}),
    changed(FARGATE, access={"clients": [], "internal": "true", "webhook": "anyone"}),
    changed(FARGATE, access={"clients": [f"192.0.2.{host}/32" for host in range(0, 48, 2)]}),
    changed(FARGATE, network={"cidr": "10.0.0.0/23"}, fargate={"mostTasks": 21}),
    changed(FARGATE, network=EXISTING, edge={"trustedProxies": ["10.9.0.0/20"]}),
    changed(without(FARGATE, "fargate"), fargate=CERTIFICATE),
    changed(FARGATE, domain=LONG),
    changed(FARGATE, edge={"ratePerMinute": 7, "burst": 1}),
    changed(FARGATE, edge={"ratePerMinute": 1, "burst": 0}, smoke={"mustPass": ["Health"]}),
    changed(CANDIDATE, edge={"ratePerMinute": 1, "burst": 0}),
    changed(DOCKER, edge={"ratePerMinute": 10, "burst": 0}),
    changed(FARGATE, edge={"burst": 109}),
    changed(FARGATE, domain=f"web.{LONG}", fargate=CERTIFICATE),
    changed(FARGATE, fargate={**ZONE, "cpu": "256", "memory": 512, "tasks": 3, "mostTasks": 3}),
    changed(FARGATE, fargate={**ZONE, "cpu": "4096", "memory": 30720, "wafRequests": 1866}),
    changed(FARGATE, database={"storage": "100", "maxStorage": "110"}),
    changed(FARGATE, image="later", edge={"image": "later"}),
    *outside_cases.KEPT,
    *belonging_cases.KEPT,
    changed(FARGATE, backupWindow="23:30-00:30", maintenanceWindow="sun:00:30-sun:01:30"),
    changed(FARGATE, backupWindow="01:00-02:00", maintenanceWindow="sun:23:30-mon:00:30"),
]


ZONES = "zones is not set: name two zones or more of eu-central-1, so that one may fail"
NOBODY = "alarmTargets is empty: on AWS alarms must reach somebody; name an e-mail address or an https URL"
LOCKED_OUT = "operatorRoles is empty: vault and evidence would lock out whoever deploys; name their roles"
BROKEN: dict[str, tuple[dict[str, str], list[str]]] = {
    "candidate without base": (
        without(CANDIDATE, "base"),
        ["track is candidate: set 'base' to the stack that owns its slot"],
    ),
    "stable with base": (
        changed(FARGATE, base="prod"),
        ["track is stable: remove 'base'; only a candidate stands on another stack"],
    ),
    "docker without machine": (
        without(DOCKER, "machine"),
        ["runtime is docker: 'machine' is missing; make up writes it"],
    ),
    "fargate with machine": (
        changed(FARGATE, machine=MACHINE),
        ["runtime is fargate: remove 'machine'; it belongs to docker stacks"],
    ),
    "a bucket's name": (
        changed(FARGATE, evidenceBucket="Spark_Evidence"),
        [
            "evidenceBucket is 'Spark_Evidence': a bucket's name has 3 to 63 lower-case letters, digits and hyphens, "
            "no hyphen at an end"
        ],
    ),
    "no zones": (without(FARGATE, "zones"), [ZONES]),
    "one zone": (
        changed(FARGATE, zones=["eu-central-1a"]),
        ["zones is eu-central-1a: name two to 4 zones, none twice"],
    ),
    "a zone twice": (
        changed(FARGATE, zones=["eu-central-1a", "eu-central-1a"]),
        ["zones is eu-central-1a, eu-central-1a: name two to 4 zones, none twice"],
    ),
    "five zones": (
        changed(FARGATE, zones=[f"eu-central-1{zone}" for zone in "abcde"]),
        [
            "zones is eu-central-1a, eu-central-1b, eu-central-1c, eu-central-1d, eu-central-1e: "
            "name two to 4 zones, none twice"
        ],
    ),
    "one zone on a machine": (
        changed(DOCKER, zones=["eu-central-1a"]),
        ["zones is eu-central-1a: name two to 4 zones, none twice"],
    ),
    "another region's zone": (
        changed(FARGATE, zones=["eu-central-1a", "eu-west-1b"]),
        ["zones has eu-west-1b: it is not in region, eu-central-1"],
    ),
    "subnet ids without a VPC": (
        changed(FARGATE, network=IDS),
        ["network has subnet ids and no vpcId: set network.vpcId, or remove the ids for a VPC of its own"],
    ),
    "a VPC without subnets": (
        changed(
            FARGATE,
            network={"vpcId": "vpc-0a", "appSubnetIds": ["subnet-0a", "subnet-0a"]},
            edge={"trustedProxies": ["10.9.0.0/20"]},
        ),
        [
            "network.appSubnetIds has 1: name two or more of the VPC, in different zones",
            "network.dataSubnetIds has 0: name two or more of the VPC, in different zones",
            "network.publicSubnetIds has 0: name two or more of the VPC, in different zones",
            "network.appSubnetIds has subnet-0a twice: name it once",
        ],
    ),
    "a balancer at addresses that nobody knows": (
        changed(FARGATE, network=EXISTING),
        ["edge.trustedProxies is empty: in an existing VPC name the ranges of the load balancer's subnets"],
    ),
    "no image of nginx": (
        {**FARGATE, "web-next:edge": json.dumps({"trustedCallers": ["198.51.100.0/24"]})},
        ["edge.image is not set: on fargate nginx runs beside the app; name its image, repository@sha256:…"],
    ),
    "an image of the app alone": (
        changed(FARGATE, edge={"image": "later"}),
        [
            f'image is "{FARGATE["web-next:image"]}" and edge.image is "later": a task runs both; set both to later, '
            "and when both are pushed to their digests"
        ],
    ),
    "an image of nginx alone": (
        changed(FARGATE, image="later", edge={"image": "nginx:1.26"}),
        [
            'image is "later" and edge.image is "nginx:1.26": a task runs both; set both to later, and when both are '
            "pushed to their digests"
        ],
    ),
    "a machine without an image": (
        changed(DOCKER, image="later"),
        ["image is later: that is for a stable stack on fargate, whose repositories come first; name a digest"],
    ),
    "a candidate without an image": (
        changed(CANDIDATE, image="later", edge={"image": "later"}),
        ["image is later: that is for a stable stack on fargate, whose repositories come first; name a digest"],
    ),
    "nobody may ask for a track": (
        changed(FARGATE, edge={"trustedCallers": []}),
        [
            "edge.trustedCallers has 0 networks: name one to 4, where smoke runs and people look at a candidate; "
            "nobody else may ask for a track"
        ],
    ),
    "more callers than a listener rule takes": (
        changed(FARGATE, edge={"trustedCallers": [f"198.51.100.{host}/32" for host in range(5)]}),
        [
            "edge.trustedCallers has 5 networks: name one to 4, where smoke runs and people look at a candidate; "
            "nobody else may ask for a track"
        ],
    ),
    "nobody said who may reach the console": (
        changed(without(FARGATE, "access"), access={"webhook": "anyone"}),
        ["access.clients is not set: name the networks that may reach the console, or write anyone for the internet"],
    ),
    "more clients than a security group takes": (
        changed(FARGATE, access={"clients": [f"192.0.2.{host}/32" for host in range(0, 50, 2)]}),
        [
            "access and edge.trustedCallers amount to 51 rules, two for each network of clients: a security group "
            "takes 60, and an update makes new ones before it deletes old ones; name wider networks, 50 rules at most"
        ],
    ),
    "nobody who watches": (
        without(FARGATE, "rollout"),
        [
            "rollout.watchImage is not set: on fargate a task ticks each minute, and without it no gate takes a "
            "candidate back; name cutover's image, repository@sha256:…"
        ],
    ),
    "a tag of nginx": (
        changed(FARGATE, edge={"image": "nginx:1.26"}),
        ['edge.image is "nginx:1.26": it must be repository@sha256:…, never a tag'],
    ),
    "a console without a certificate": (
        without(FARGATE, "fargate"),
        [
            "fargate has no certificate: set fargate.hostedZoneId to have a certificate issued, or "
            "fargate.certificateArn to use an existing one"
        ],
    ),
    "a rate that smoke is too short for": (
        changed(FARGATE, edge={"ratePerMinute": 5}),
        [
            "edge.ratePerMinute is 5: smoke is cut off after two minutes, before it has seen so low a rate, and no run "
            "is a GO; set 7 or more"
        ],
    ),
    "a rate that the full smoke is too short for": (
        changed(DOCKER, edge={"ratePerMinute": 8}),
        [
            "edge.ratePerMinute is 8: smoke is cut off after two minutes, before it has seen so low a rate, and no run "
            "is a GO; set 10 or more"
        ],
    ),
    "a burst that drains for a quarter of an hour": (
        changed(DOCKER, edge={"burst": 1000}),
        [
            "edge.burst is 1000: at edge.ratePerMinute 60 that takes smoke, or the next one until it has drained, "
            "longer than the two minutes that a run has; set 109 or less"
        ],
    ),
    "no burst where smoke sends little": (
        changed(FARGATE, edge={"burst": 0}),
        [
            "edge.burst is 0: smoke that sends few requests does not see the rate then, and no run is a GO; set "
            "1 or more"
        ],
    ),
    "a name too long for a certificate of ACM's": (
        changed(FARGATE, domain=f"a{LONG}"),
        [
            f"domain is a{LONG}: it has 65 characters, and ACM issues a certificate for a name of at most 64; choose a "
            "shorter one, or name a certificate that has it by fargate.certificateArn"
        ],
    ),
    "fewer tasks at most than at least": (
        changed(FARGATE, fargate={**ZONE, "tasks": 4, "mostTasks": 3}),
        ["fargate.mostTasks is 3: it must not be fewer than fargate.tasks, 4"],
    ),
    "a firewall that refuses what nginx lets through": (
        changed(FARGATE, fargate={**ZONE, "wafRequests": 1865}),
        [
            "fargate.wafRequests is 1865: nginx of 6 tasks lets 1866 through in 300 s; set that or more, or remove it",
        ],
    ),
    "a size that fargate does not have": (
        changed(FARGATE, fargate={**ZONE, "cpu": "1024", "memory": 1024}),
        ["fargate.memory is 1024: with cpu 1024 Fargate has 2048 to 8192 MiB in steps of 1024"],
    ),
    "more tasks than addresses": (
        changed(FARGATE, network={"cidr": "10.0.0.0/23"}, fargate={"mostTasks": 22}),
        [
            "fargate.mostTasks is 22: the app subnets have 44 addresses for tasks, and with fargate.workerTasks, each "
            "beside the one that it replaces, they would be 46; set 21 or less, or a wider network.cidr or appSubnets"
        ],
    ),
    "more tasks than addresses in ranges that are given": (
        changed(
            FARGATE,
            network={
                "appSubnets": ["10.42.0.0/28", "10.42.0.16/28"],
                "dataSubnets": ["10.42.1.0/28", "10.42.1.16/28"],
                "publicSubnets": ["10.42.2.0/27", "10.42.2.32/27"],
            },
        ),
        [
            "fargate.mostTasks is 6: the app subnets have 12 addresses for tasks, and with fargate.workerTasks, each "
            "beside the one that it replaces, they would be 14; set 5 or less, or a wider network.cidr or appSubnets"
        ],
    ),
    "overlapping subnets": (
        changed(
            FARGATE,
            network={
                "appSubnets": ["10.42.0.0/24", "10.42.1.0/24"],
                "dataSubnets": ["10.42.1.128/25", "10.42.2.0/24"],
                "publicSubnets": ["10.42.3.0/24", "10.42.4.0/24"],
            },
        ),
        ["network.dataSubnets[0] is 10.42.1.128/25: it overlaps network.appSubnets[1], 10.42.1.0/24"],
    ),
    "fewer subnets than zones": (
        changed(
            DOCKER,
            network={f"{tier}Subnets": [f"10.42.{n}.0/24"] for n, tier in enumerate(("app", "data", "public"))},
        ),
        [
            f"network.{tier}Subnets has 1: name one for each of 2 zones, or none for a split cidr"
            for tier in ("app", "data", "public")
        ],
    ),
    **outside_cases.BROKEN,
    **belonging_cases.BROKEN,
    "a region whose database nobody could verify": (
        changed(FARGATE, region="il-central-1", zones=["il-central-1a", "il-central-1b"]),
        [
            "region is il-central-1: cutover/schema/rds.pem has no authority of RDS there, so nobody could verify the "
            f"database; choose one of {', '.join(sorted(authorities.regions()))}, or add the region's to the file"
        ],
    ),
    "a region of the government's partition": (
        changed(FARGATE, region="us-gov-west-1", zones=["us-gov-west-1a", "us-gov-west-1b"]),
        [
            "region is us-gov-west-1: that is partition aws-us-gov, and names, service hosts and instance classes here "
            "are those of partition aws alone; choose a region of aws, such as eu-central-1"
        ],
    ),
    "a region of China's partition, on a machine too": (
        changed(DOCKER, region="cn-north-1"),
        [
            "region is cn-north-1: that is partition aws-cn, and names, service hosts and instance classes here are "
            "those of partition aws alone; choose a region of aws, such as eu-central-1"
        ],
    ),
    "storage that cannot grow": (
        changed(FARGATE, database={"storage": "101", "maxStorage": "111"}),
        ["database.maxStorage is 111: RDS wants a tenth more than database.storage, 112 or more"],
    ),
    "nobody to call": (without(FARGATE, "alarmTargets"), [NOBODY]),
    "nobody let in": (without(FARGATE, "operatorRoles"), [LOCKED_OUT]),
    "a short backup window": (
        changed(FARGATE, backupWindow="01:00-01:59"),
        ["backupWindow is 01:00-01:59: it must last an hour at least and a day at most"],
    ),
    "a short maintenance window": (
        changed(FARGATE, maintenanceWindow="sun:23:30-mon:00:29"),
        ["maintenanceWindow is sun:23:30-mon:00:29: it must last an hour at least and a day at most"],
    ),
    "maintenance for days, over every backup": (
        changed(FARGATE, maintenanceWindow="sun:03:00-tue:04:00"),
        [
            "maintenanceWindow is sun:03:00-tue:04:00: it must last an hour at least and a day at most",
            "backupWindow is 01:00-02:00: it overlaps maintenanceWindow, sun:03:00-tue:04:00",
        ],
    ),
    "a tunnel to this machine": (
        changed(DOCKER, database={"access": "tunnel"}),
        ["database.access is tunnel: a docker stack's database is on this machine; set it to direct"],
    ),
    "evidence among the records": (
        changed(FARGATE, evidenceBucket=f"web-next-{STACK}-records-{ACCOUNT}"),
        [f"evidenceBucket is 'web-next-{STACK}-records-{ACCOUNT}': the bucket of records; choose another name"],
    ),
    "evidence among the access logs": (
        changed(FARGATE, evidenceBucket=f"web-next-{STACK}-access-logs-{ACCOUNT}"),
        [f"evidenceBucket is 'web-next-{STACK}-access-logs-{ACCOUNT}': the bucket of access-logs; choose another name"],
    ),
    "overlapping windows": (
        changed(FARGATE, backupWindow="23:30-00:30", maintenanceWindow="sun:00:29-sun:01:29"),
        ["backupWindow is 23:30-00:30: it overlaps maintenanceWindow, sun:00:29-sun:01:29"],
    ),
}
