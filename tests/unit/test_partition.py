"""The partition of AWS: the regions of others are refused by name, wherever somebody may name one."""

from __future__ import annotations

import pytest
from botocore.loaders import create_loader

from outputs import partition

PARTITIONS = create_loader().load_data("partitions")["partitions"]
OTHERS = {
    region: one["id"]
    for one in PARTITIONS
    for region in one["regions"]
    if one["id"] != "aws" and not region.endswith("-global")
}
OWN = [region for one in PARTITIONS if one["id"] == "aws" for region in one["regions"]]


@pytest.mark.parametrize("region", OTHERS)
def test_a_region_of_another_partition_is_refused_by_its_partitions_name(region: str) -> None:
    said = partition.refusal(region)

    assert said is not None
    assert said.startswith(f"region is {region}: that is partition {OTHERS[region]}, and ")
    assert said.endswith("; choose a region of aws, such as eu-central-1")


@pytest.mark.parametrize("region", OWN)
def test_a_region_of_the_partition_that_is_supported_is_taken(region: str) -> None:
    assert partition.refusal(region) is None


def test_every_partition_that_botocore_knows_is_told_apart() -> None:
    assert set(partition.OTHERS.values()) == {one["id"] for one in PARTITIONS} - {"aws"}
