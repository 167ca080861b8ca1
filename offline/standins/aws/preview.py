"""Types that the emulator has no use for: they can be previewed, and nothing else."""

from __future__ import annotations

from offline.standins.kind import Kind


def _kind(type_: str, outputs: str, *, name: str = "", replace: str = "", tags: bool = True) -> Kind:
    computed = (*outputs.split(), *(("tagsAll",) if tags else ()))
    return Kind(type=type_, outputs=computed, name=name, replace=(*replace.split(), *name.split()), tags=tags)


KINDS = (
    _kind(
        "aws:acm/certificate:Certificate",
        "arn domainValidationOptions notAfter notBefore status",
        replace="domainName validationMethod",
    ),
    _kind(
        "aws:acm/certificateValidation:CertificateValidation",
        "",
        replace="certificateArn validationRecordFqdns",
        tags=False,
    ),
    _kind("aws:appautoscaling/policy:Policy", "arn alarmArns", replace="name resourceId", tags=False),
    _kind("aws:appautoscaling/target:Target", "arn", replace="resourceId scalableDimension serviceNamespace"),
    _kind("aws:autoscaling/group:Group", "arn", name="name", tags=False),
    _kind("aws:cloudwatch/compositeAlarm:CompositeAlarm", "arn", name="alarmName"),
    _kind("aws:cloudwatch/dashboard:Dashboard", "dashboardArn", name="dashboardName", tags=False),
    _kind("aws:ec2/launchTemplate:LaunchTemplate", "arn latestVersion", name="name"),
    _kind("aws:ecr/lifecyclePolicy:LifecyclePolicy", "registryId", replace="repository", tags=False),
    _kind("aws:ecr/repository:Repository", "arn registryId repositoryUrl", name="name"),
    _kind("aws:ecs/cluster:Cluster", "arn", name="name"),
    _kind(
        "aws:ecs/taskDefinition:TaskDefinition",
        "arn arnWithoutRevision revision",
        replace="containerDefinitions",
    ),
    _kind("aws:ecs/service:Service", "arn", name="name", replace="cluster"),
    _kind("aws:iam/openIdConnectProvider:OpenIdConnectProvider", "arn", replace="url"),
    _kind("aws:iam/policy:Policy", "arn policyId", name="name"),
    _kind(
        "aws:lb/loadBalancer:LoadBalancer",
        "arn arnSuffix dnsName vpcId zoneId",
        name="name",
        replace="internal",
    ),
    _kind(
        "aws:lb/targetGroup:TargetGroup",
        "arn arnSuffix",
        name="name",
        replace="port protocol vpcId targetType",
    ),
    _kind("aws:lb/listener:Listener", "arn", replace="loadBalancerArn"),
    _kind("aws:lb/listenerRule:ListenerRule", "arn", replace="listenerArn"),
    _kind("aws:route53/record:Record", "fqdn", replace="name type zoneId", tags=False),
    _kind("aws:scheduler/schedule:Schedule", "arn", name="name", tags=False),
    _kind("aws:wafv2/webAcl:WebAcl", "applicationIntegrationUrl arn capacity lockToken", name="name"),
    _kind(
        "aws:wafv2/webAclAssociation:WebAclAssociation",
        "",
        replace="resourceArn webAclArn",
        tags=False,
    ),
    _kind("aws:wafv2/webAclLoggingConfiguration:WebAclLoggingConfiguration", "", replace="resourceArn", tags=False),
)
