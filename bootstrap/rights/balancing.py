"""What makes, changes and ends a stack's load balancer, firewall and certificate, and moves the console's name."""

from __future__ import annotations

from bootstrap.place import GETS_TAG, HAS_TAG, NAMED, Place, Statement, allow


def balancing(place: Place) -> list[Statement]:
    """In `infra/runtime/fargate/`: the balancer with its firewall, and what its name needs."""
    return [*_balancer(place), *_names(place)]


def _balancer(place: Place) -> list[Statement]:
    balancer = place.arn("elasticloadbalancing", f"loadbalancer/app/{NAMED}/*")
    acl = place.arn("wafv2", f"regional/webacl/{NAMED}/*")
    return [
        allow(
            "Balancer",
            "elasticloadbalancing",
            "AddTags CreateListener CreateLoadBalancer CreateRule CreateTargetGroup DeleteListener DeleteLoadBalancer "
            "DeleteRule DeleteTargetGroup ModifyListener ModifyListenerAttributes ModifyLoadBalancerAttributes "
            "ModifyRule ModifyTargetGroup ModifyTargetGroupAttributes RemoveTags SetRulePriorities SetSecurityGroups "
            "SetSubnets",
            [
                *balancer,
                *place.arn(
                    "elasticloadbalancing",
                    f"targetgroup/{NAMED}/*",
                    *(f"{one}/app/{NAMED}" for one in ("listener", "listener-rule")),
                ),
            ],
        ),
        allow("BalancerAcl", "elasticloadbalancing", "SetWebACL", "*"),
        allow(
            "Firewall",
            "wafv2",
            "AssociateWebACL CreateWebACL DeleteLoggingConfiguration DeleteWebACL DisassociateWebACL "
            "PutLoggingConfiguration TagResource UntagResource UpdateWebACL",
            [*acl, *balancer],
        ),
        # AWS' own groups of rules have ARNs in the account that uses them.
        allow("ManagedRules", "wafv2", "CreateWebACL UpdateWebACL", place.arn("wafv2", "regional/managedruleset/*")),
    ]


def _names(place: Place) -> list[Statement]:
    certificates = place.arn("acm", "certificate/*")
    record = allow("Records", "route53", "ChangeResourceRecordSets", place.hosted_zones)
    return [
        allow("Asks", "acm", "RequestCertificate", "*", GETS_TAG),
        allow("AsksTagged", "acm", "AddTagsToCertificate", certificates, GETS_TAG),
        allow(
            "Certificate",
            "acm",
            "DeleteCertificate RemoveTagsFromCertificate UpdateCertificateOptions",
            certificates,
            HAS_TAG,
        ),
        *([record] if place.zones else []),
    ]
