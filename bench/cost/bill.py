"""The bill of a captured prod: what each resource is billed by, as quantities of a price."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.unit.infra.recorder import Recording, Registered

PRICES = Path(__file__).with_name("prices.toml")
HOURS = 730
"""A month, as AWS reckons it."""
VOLUME_GB = 8
"""The bastion's disk: the launch template names none, so it has that of Amazon Linux' image."""
IMAGES_GB = 2
"""What a repository keeps. Assumed: ten images that share their base."""


class UnpricedError(Exception):
    """Something is declared that this module knows no price of."""


@dataclass(frozen=True, kw_only=True)
class Price:
    """`usd` for one of `unit`, in `region`, as seen on a day; `note` says what the source has, or what is inferred."""

    what: str
    usd: float
    unit: str
    region: str
    seen: str
    source: str
    note: str = ""


@dataclass(frozen=True)
class Use:
    """So much of a price in a month, for a part of the bill."""

    part: str
    price: str
    quantity: float


Prices = Mapping[str, Price]
Uses = Iterator[Use]


def prices() -> Prices:
    """The prices of the data file, by key."""
    return {key: Price(**entry) for key, entry in tomllib.loads(PRICES.read_text())["prices"].items()}


def sources() -> dict[str, str]:
    """Who says so, in Markdown, by the name that a price has for it."""
    return dict(tomllib.loads(PRICES.read_text())["sources"])


def usd(uses: Iterable[Use], known: Prices) -> dict[str, float]:
    """What each part costs. Raises UnpricedError for a price that is not in the file."""
    parts: dict[str, float] = {}
    for use in uses:
        if use.price not in known:
            raise UnpricedError(f"{use.price}: no such price in {PRICES}: look it up, with region, date and source")
        parts[use.part] = parts.get(use.part, 0) + use.quantity * known[use.price].usd
    return parts


def standing(declared: Recording) -> list[Use]:
    """What is due each month while nobody asks for anything. Raises UnpricedError for a type of AWS without a rule."""
    return [use for one in declared.registered for use in _rule(one.token)(one, declared)]


def task(part: str, definition: Registered, tasks: float) -> Uses:
    """So many tasks of a definition, all month."""
    yield Use(part, "fargate-vcpu-hour", HOURS * tasks * float(definition.inputs["cpu"]) / 1024)
    yield Use(part, "fargate-gb-hour", HOURS * tasks * float(definition.inputs["memory"]) / 1024)


def definition(service: Registered, declared: Recording) -> Registered:
    """The task definition that a service runs."""
    name = service.inputs["taskDefinition"].rpartition("/")[2]
    return declared.one("aws:ecs/taskDefinition:TaskDefinition", name)


def copies(database: Registered) -> int:
    """How many instances with a disk each a database is."""
    return 2 if database.inputs["multiAz"] else 1


def _balancer(one: Registered, _: Recording) -> Uses:
    yield Use("Load balancer", "balancer-hour", HOURS)
    if not one.inputs["internal"]:
        yield Use("Public addresses", "address-hour", HOURS * len(one.inputs["subnets"]))


def _service(one: Registered, declared: Recording) -> Uses:
    part = "Fargate: app" if "loadBalancers" in one.inputs else "Fargate: worker"
    yield from task(part, definition(one, declared), one.inputs["desiredCount"])


def _database(one: Registered, _: Recording) -> Uses:
    yield Use("Postgres", f"{one.inputs['instanceClass']}-hour", HOURS * copies(one))
    yield Use("Postgres", "database-gb", one.inputs["allocatedStorage"] * copies(one))


def _redis(one: Registered, _: Recording) -> Uses:
    yield Use("Redis", f"{one.inputs['nodeType']}-hour", HOURS * one.inputs["numCacheClusters"])


def _endpoint(one: Registered, _: Recording) -> Uses:
    if one.inputs["vpcEndpointType"] == "Interface":
        yield Use("VPC endpoints", "endpoint-hour", HOURS * len(one.inputs["subnetIds"]))


def _acl(one: Registered, _: Recording) -> Uses:
    yield Use("Firewall", "acl", 1)
    yield Use("Firewall", "acl-rule", len(one.inputs["rules"]))


def _metric(one: Registered, declared: Recording) -> Uses:
    """Once for all filters that write the same metric."""

    def name(each: Registered) -> tuple[str, str]:
        return each.inputs["metricTransformation"]["namespace"], each.inputs["metricTransformation"]["name"]

    if next(each for each in declared.of(one.token) if name(each) == name(one)) is one:
        yield Use("Metrics and alarms", "metric", 1)


def _alarm(one: Registered, _: Recording) -> Uses:
    queries = one.inputs.get("metricQueries", ())
    yield Use("Metrics and alarms", "alarm", sum("metric" in each for each in queries) if queries else 1)


def _schedule(one: Registered, declared: Recording) -> Uses:
    """A task each minute, each billed for a minute at least: one that always runs."""
    name = one.inputs["target"]["ecsParameters"]["taskDefinitionArn"].rpartition("/")[2]
    yield from task("Fargate: watch", declared.one("aws:ecs/taskDefinition:TaskDefinition", name), 1)


def _bastion(one: Registered, declared: Recording) -> Uses:
    name = one.inputs["launchTemplate"]["id"].rpartition(":")[2]
    template = declared.one("aws:ec2/launchTemplate:LaunchTemplate", name)
    yield Use("Bastion", f"{template.inputs['instanceType']}-hour", HOURS * one.inputs["minSize"])
    yield Use("Bastion", "volume-gb", VOLUME_GB * one.inputs["minSize"])


def _each(part: str, price: str, quantity: float = 1) -> Rule:
    return lambda _one, _declared: iter([Use(part, price, quantity)])


def _nothing(_one: Registered, _declared: Recording) -> Uses:
    return iter(())


Rule = Callable[[Registered, Recording], Uses]
RULES: dict[str, Rule] = {
    "aws:lb/loadBalancer:LoadBalancer": _balancer,
    "aws:ecs/service:Service": _service,
    "aws:rds/instance:Instance": _database,
    "aws:elasticache/replicationGroup:ReplicationGroup": _redis,
    "aws:ec2/natGateway:NatGateway": _each("NAT gateways", "nat-hour", HOURS),
    "aws:ec2/eip:Eip": _each("Public addresses", "address-hour", HOURS),
    "aws:ec2/vpcEndpoint:VpcEndpoint": _endpoint,
    "aws:kms/key:Key": _each("KMS keys", "key"),
    "aws:secretsmanager/secret:Secret": _each("Secrets", "secret"),
    "aws:wafv2/webAcl:WebAcl": _acl,
    "aws:cloudwatch/logMetricFilter:LogMetricFilter": _metric,
    "aws:cloudwatch/metricAlarm:MetricAlarm": _alarm,
    "aws:cloudwatch/compositeAlarm:CompositeAlarm": _each("Metrics and alarms", "composite-alarm"),
    "aws:autoscaling/group:Group": _bastion,
    "aws:scheduler/schedule:Schedule": _schedule,
    "aws:ecr/repository:Repository": _each("Images (ECR)", "image-gb", IMAGES_GB),
}
BY_USE = {
    "aws:cloudwatch/logGroup:LogGroup": "growth.py counts the lines",
    "aws:s3/bucket:Bucket": "growth.py counts the evidence and the access logs",
    "aws:ecs/cluster:Cluster": "the tasks are the services'; docs/cost.md says why Container Insights is not counted",
    "aws:sns/topic:Topic": "an alarm's message is a fraction of a cent",
    "aws:route53/record:Record": "the zone is not declared here",
}
"""Types that cost nothing by being there, and why what is done with them is not in RULES."""
FREE = (
    *(
        "acm",
        "appautoscaling",
        "cloudwatch/dashboard",
        "ec2/defaultSecurityGroup",
        "ec2/internetGateway",
        "ec2/launchTemplate",
        "ec2/route",
    ),
    *(
        "ec2/routeTable",
        "ec2/routeTableAssociation",
        "ec2/securityGroup",
        "ec2/subnet",
        "ec2/vpc",
        "ecr/lifecyclePolicy",
    ),
    *("ecs/taskDefinition", "elasticache/parameterGroup", "elasticache/subnetGroup", "iam", "kms/alias", "lb/listener"),
    *("lb/listenerRule", "lb/targetGroup", "rds/parameterGroup", "rds/subnetGroup", "s3/bucketCorsConfiguration"),
    *("s3/bucketLifecycleConfiguration", "s3/bucketObjectLockConfiguration", "s3/bucketObjectv2"),
    *("s3/bucketOwnershipControls", "s3/bucketPolicy", "s3/bucketPublicAccessBlock"),
    *("s3/bucketServerSideEncryptionConfiguration", "s3/bucketVersioning", "secretsmanager/secretPolicy"),
    *("secretsmanager/secretVersion", "sns/topicPolicy", "sns/topicSubscription", "ssm/parameter", "vpc"),
    *("wafv2/webAclAssociation", "wafv2/webAclLoggingConfiguration"),
)
"""Services and types of AWS that cost nothing."""


def _rule(token: str) -> Rule:
    if token in RULES:
        return RULES[token]
    kind = token.removeprefix("aws:").rpartition(":")[0]
    if not token.startswith("aws:") or token in BY_USE or kind in FREE or kind.partition("/")[0] in FREE:
        return _nothing
    raise UnpricedError(f"{token}: declared, and neither priced nor free: give it a rule in bench/cost/bill.py")
