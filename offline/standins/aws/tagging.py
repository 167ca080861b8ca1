"""Tags: the one thing that every AWS service spells differently."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from offline.standins.aws.cloud import Cloud
from offline.standins.aws.mapper import member
from offline.standins.kind import Properties

Tags = Mapping[str, str]


@dataclass(frozen=True)
class Tagging:
    """A service's tag operations; `by` is the parameter that names the object, by ARN where `arn` is set.

    `service` is given where the row's name isn't it.
    """

    add: str
    remove: str
    list: str
    by: str
    arn: bool = True
    also: Properties = field(default_factory=dict)
    service: str = ""


_RESOURCE = ("TagResource", "UntagResource", "ListTagsForResource")
_TO_RESOURCE = ("AddTagsToResource", "RemoveTagsFromResource", "ListTagsForResource")

SERVICES = {
    "cloudwatch": Tagging(*_RESOURCE, "ResourceARN"),
    "ec2": Tagging("CreateTags", "DeleteTags", "DescribeTags", "Resources", arn=False),
    "elasticache": Tagging(*_TO_RESOURCE, "ResourceName"),
    "iam": Tagging("TagRole", "UntagRole", "ListRoleTags", "RoleName", arn=False),
    "iam profile": Tagging(
        "TagInstanceProfile",
        "UntagInstanceProfile",
        "ListInstanceProfileTags",
        "InstanceProfileName",
        arn=False,
        service="iam",
    ),
    "kms": Tagging("TagResource", "UntagResource", "ListResourceTags", "KeyId", arn=False),
    "logs": Tagging(*_RESOURCE, "resourceArn"),
    "rds": Tagging(*_TO_RESOURCE, "ResourceName"),
    "secretsmanager": Tagging("TagResource", "UntagResource", "DescribeSecret", "SecretId", arn=False),
    "sns": Tagging(*_RESOURCE, "ResourceArn"),
    "ssm": Tagging(*_TO_RESOURCE, "ResourceId", arn=False, also={"ResourceType": "Parameter"}),
}


def listed(shape: Any, tags: Tags) -> Any:
    """Returns tags as the shape has them: a map, or a list of structures of a key and a value."""
    if shape.type_name == "map":
        return dict(tags)
    key, value = sorted(shape.member.members, key=lambda name: "value" in name.lower())[:2]
    return [{key: name, value: text} for name, text in tags.items()]


def tags_in(answer: Mapping[str, Any]) -> dict[str, str]:
    """Returns the tags in the answer of any service's list operation."""
    found: Any = next((answer[name] for name in answer if name.lower() in ("tags", "taglist", "tagset")), {})
    if isinstance(found, dict):
        return dict(found)
    return {item.get("Key", item.get("TagKey")): item.get("Value", item.get("TagValue")) for item in found}


def read_tags(cloud: Cloud, row: str, name: str) -> dict[str, str]:
    """Returns the object's tags, the mark of its URN included."""
    tagging = SERVICES[row]
    service = tagging.service or row
    if service == "ec2":
        return tags_in(cloud.call(service, tagging.list, Filters=[{"Name": "resource-id", "Values": [name]}]))
    return tags_in(cloud.call(service, tagging.list, **{tagging.by: name}, **tagging.also))


def write_tags(cloud: Cloud, row: str, name: str, tags: Tags, surplus: list[str]) -> None:
    """Sets tags on the object and removes those whose keys are surplus."""
    tagging = SERVICES[row]
    service = tagging.service or row
    named = {tagging.by: [name] if service == "ec2" else name, **tagging.also}
    shape, _ = cloud.shape(service, tagging.add)
    parameter = member(shape, "tags") or "Tags"
    cloud.call(service, tagging.add, **named, **{parameter: listed(shape.members[parameter], tags)})
    if surplus:
        shape, _ = cloud.shape(service, tagging.remove)
        keys = member(shape, "tagKeys")
        cloud.call(
            service,
            tagging.remove,
            **named,
            **({keys: surplus} if keys else {"Tags": [{"Key": key} for key in surplus]}),
        )
