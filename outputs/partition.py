"""The partition of AWS that stacks are made for: `aws`, where all but China, the governments and Europe's own are."""

from __future__ import annotations

OTHERS = {
    "cn-": "aws-cn",
    "us-gov-": "aws-us-gov",
    "us-iso-": "aws-iso",
    "us-isob-": "aws-iso-b",
    "us-isof-": "aws-iso-f",
    "eu-isoe-": "aws-iso-e",
    "eusc-": "aws-eusc",
}
"""What the regions of each other partition begin with (botocore's own list, data/partitions.json)."""


def refusal(region: str) -> str | None:
    """Why nothing is made in a region, in a clause; None where the partition is the supported one."""
    other = next((partition for prefix, partition in OTHERS.items() if region.startswith(prefix)), None)
    if other is None:
        return None
    return (
        f"region is {region}: that is partition {other}, and names, service hosts and instance classes here are those "
        "of partition aws alone; choose a region of aws, such as eu-central-1"
    )
