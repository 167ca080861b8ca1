"""What settings may name that is outside the stack, and what would be somebody else's, everybody's, or nobody's."""

from __future__ import annotations

from typing import Any

from tests.unit.infra.configs import ACCOUNT, DOCKER, FARGATE, OPERATORS, REGION, STACK, changed

ROLE, OTHER = f"arn:aws:iam::{ACCOUNT}:role", "999999999999"
SUBNETS = {f"{tier}SubnetIds": [f"subnet-{n}a", f"subnet-{n}b"] for n, tier in enumerate(("app", "data", "public"))}
EXISTING = {"vpcId": "vpc-0a", **SUBNETS}
PROXIES = {"trustedProxies": ["10.9.0.0/20"]}


def certificate(region: str, account: str) -> dict[str, str]:
    return {"certificateArn": f"arn:aws:acm:{region}:{account}:certificate/1"}


def waiver(expires: str) -> dict[str, Any]:
    return {"criterion": "Health", "reason": "rebuilt", "owner": "Ada", "expires": expires}


def wide(key: str, network: str) -> str:
    return f"{key} has {network}: that is no one's network, it lets strangers in; name one of /8 or less"


def shared(tier: str, ids: str) -> str:
    return (
        f"network.{tier}SubnetIds has {ids}, and so has publicSubnetIds: the internet leads into these; name subnets "
        "without a way in"
    )


KEPT = [
    changed(FARGATE, operatorRoles=[f"{ROLE}/aws-reserved/sso.amazonaws.com/eu-west-1/AWSReservedSSO_Ops_0a"]),
    changed(FARGATE, fargate=certificate(REGION, ACCOUNT)),
    changed(FARGATE, network=EXISTING | {"dataSubnetIds": SUBNETS["appSubnetIds"]}, edge=PROXIES),
    changed(FARGATE, network={"cidr": "100.64.0.0/16"}),
    changed(FARGATE, smoke={"waivers": [waiver("2026-01-31")]}),
    changed(FARGATE, evidenceBucket=f"web-next-{STACK}-evidence-{ACCOUNT}"),
    changed(FARGATE, access={"clients": ["10.0.0.0/8"]}),
    changed(DOCKER, executorUrl="http://127.0.0.1:3010"),
    changed(DOCKER, domain="localhost"),
]
CANDIDATE = changed(FARGATE, track="candidate", base="prod")
BROKEN: dict[str, tuple[dict[str, str], list[str]]] = {
    "a candidate on itself": (
        changed(CANDIDATE, base=STACK),
        [f"base is {STACK}: a candidate stands on another stack than itself; name the one that owns its slot"],
    ),
    "a candidate on what is no stack's name": (
        changed(CANDIDATE, base="../prod"),
        [
            'base is "../prod": a stack\'s name has up to 24 lower-case letters, digits and single hyphens, and begins '
            "with a letter"
        ],
    ),
    "an operator of another account": (
        changed(FARGATE, operatorRoles=[f"arn:aws:iam::{OTHER}:role/deployer"]),
        [
            f"operatorRoles has arn:aws:iam::{OTHER}:role/deployer: it is not of account, {ACCOUNT}; name a role "
            "of the stack's own"
        ],
    ),
    "the app as its own operator": (
        changed(FARGATE, operatorRoles=[*OPERATORS, f"{ROLE}/web-next-{STACK}", f"{ROLE}/web-next-{STACK}-watch"]),
        [
            f"operatorRoles has {ROLE}/web-next-{STACK}{end}: the service would read what its operators alone may; "
            "name people's roles"
            for end in ("", "-watch")
        ],
    ),
    "more operators than a policy takes": (
        changed(FARGATE, operatorRoles=[f"{ROLE}/r{n}" for n in range(51)]),
        ["operatorRoles has 51: the policies that name them take 50; let people share roles"],
    ),
    **{
        f"a certificate of {region} and {account}": (
            changed(FARGATE, fargate=certificate(region, account)),
            [
                f"fargate.certificateArn is arn:aws:acm:{region}:{account}:certificate/1: a balancer takes a "
                f"certificate of its own region and account alone, {REGION} and {ACCOUNT}; name one of these, or set "
                "fargate.hostedZoneId"
            ],
        )
        for region, account in (("us-east-1", ACCOUNT), (REGION, OTHER))
    },
    "a console whose name nobody signs": (
        changed(FARGATE, domain="localhost"),
        ["domain is localhost: no authority signs a name without a dot; name the console's, whole"],
    ),
    **{
        f"an executor at {host}": (
            changed(FARGATE, executorUrl=f"https://{host}"),
            [f'executorUrl is "https://{host}": in a task that is the task itself; name the service by its own host'],
        )
        for host in ("localhost", "x.localhost:3010", "127.0.0.1", "169.254.169.254", "0.0.0.0")
    },
    "a collector in the task": (
        changed(FARGATE, telemetry={"endpoint": "https://169.254.170.2"}),
        [
            'telemetry.endpoint is "https://169.254.170.2": in a task that is the task itself; name the service by its '
            "own host"
        ],
    ),
    "a waiver for ever": (
        changed(FARGATE, smoke={"waivers": [waiver("2999-12-31")]}),
        [
            "smoke.waivers has Health until 2999-12-31: 92 days are the most; name a nearer day, or take the criterion "
            "out of smoke.mustPass"
        ],
    ),
    "two waivers of one criterion": (
        changed(FARGATE, smoke={"waivers": [waiver("2026-01-31"), waiver("2026-02-28")]}),
        ["smoke.waivers has Health twice: name it once"],
    ),
    "lists with something twice": (
        changed(
            FARGATE,
            alarmTargets=["a@web-next.test"] * 2,
            operatorRoles=OPERATORS[:1] * 2,
            database={"clientGroups": ["sg-1", "sg-1"]},
            smoke={"mustPass": ["Health"] * 3},
            mayDestroy=["audit", "audit"],
            edge={"trustedCallers": ["198.51.100.0/24"] * 2, "trustedProxies": ["10.9.0.0/20"] * 2},
        ),
        [
            "alarmTargets has a@web-next.test twice: name it once",
            f"operatorRoles has {OPERATORS[0]} twice: name it once",
            "database.clientGroups has sg-1 twice: name it once",
            "smoke.mustPass has Health twice: name it once",
            "mayDestroy has audit twice: name it once",
            "edge.trustedCallers has 198.51.100.0/24 twice: name it once",
            "edge.trustedProxies has 10.9.0.0/20 twice: name it once",
        ],
    ),
    **{
        f"evidence in {bucket}": (
            changed(FARGATE, evidenceBucket=bucket),
            [
                f"evidenceBucket is {bucket!r}: names that begin with web-next- are those of stacks and their states; "
                f"remove it for web-next-{STACK}-evidence-{ACCOUNT}, or choose another beginning"
            ],
        )
        for bucket in (f"web-next-state-{ACCOUNT}", f"web-next-prod-evidence-{ACCOUNT}")
    },
    "callers from anywhere": (
        changed(FARGATE, edge={"trustedCallers": ["0.0.0.0/0"]}),
        [wide("edge.trustedCallers", "0.0.0.0/0")],
    ),
    "callers from both halves of anywhere": (
        changed(FARGATE, edge={"trustedCallers": ["0.0.0.0/1", "128.0.0.0/1"]}),
        [wide("edge.trustedCallers", "0.0.0.0/1"), wide("edge.trustedCallers", "128.0.0.0/1")],
    ),
    "proxies anywhere": (
        changed(FARGATE, edge={"trustedProxies": ["0.0.0.0/0"]}),
        [wide("edge.trustedProxies", "0.0.0.0/0")],
    ),
    "clients from half of anywhere": (
        changed(FARGATE, access={"clients": ["0.0.0.0/1"], "webhook": ["64.0.0.0/2"], "auditPush": ["0.0.0.0/7"]}),
        [
            wide("access.clients", "0.0.0.0/1"),
            wide("access.webhook", "64.0.0.0/2"),
            wide("access.auditPush", "0.0.0.0/7"),
        ],
    ),
    **{
        f"a VPC of {cidr}": (
            changed(FARGATE, network={"cidr": cidr}),
            [
                f"network.cidr is {cidr}: others' addresses, or none that AWS routes; choose one of 10.0.0.0/8, "
                "172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10, or name a VPC that has it by network.vpcId"
            ],
        )
        for cidr in ("8.8.0.0/16", "127.0.0.0/16", "169.254.0.0/16", "224.0.0.0/16", "192.169.0.0/16")
    },
    "a subnet twice": (
        changed(FARGATE, network=EXISTING | {"publicSubnetIds": ["subnet-3a", "subnet-3a", "subnet-3b"]}, edge=PROXIES),
        ["network.publicSubnetIds has subnet-3a twice: name it once"],
    ),
    "more ways out than callers": (
        changed(FARGATE, zones=[f"eu-central-1{each}" for each in "abcd"], network={"nat": "per-zone"}),
        [
            "network.nat is per-zone with 4 zones: a tick comes from as many addresses, and edge.trustedCallers takes "
            "4 with those of smoke; set network.nat to one, or name three zones"
        ],
    ),
    "data where the internet leads": (
        changed(FARGATE, network=EXISTING | {"dataSubnetIds": ["subnet-1a", "subnet-2a"]}, edge=PROXIES),
        [shared("data", "subnet-2a")],
    ),
    "a VPC with ranges": (
        changed(FARGATE, network=EXISTING | {"dataSubnets": ["10.42.0.0/26"]}, edge=PROXIES),
        ["network has vpcId and ranges of subnets: in an existing VPC name subnets by id, and remove the ranges"],
    ),
    "an existing VPC with what one of its own has": (
        changed(FARGATE, network=EXISTING | {"nat": "per-zone"}, edge=PROXIES),
        ["network has vpcId and nat or cidr: an existing VPC has its own, and nothing is made in it; remove them"],
    ),
}
"""By what is wrong: the configuration, and the clauses that it is refused with."""
