"""Instance classes: the ones there are, the ones there are not, and what a class takes."""

from __future__ import annotations

import pytest

from infra.settings.instance_classes import (
    cache_families,
    database_families,
    database_memory,
    is_cache_node,
    max_connections,
)


@pytest.mark.parametrize(
    ("name", "gib"),
    [
        ("db.t4g.micro", 1),
        ("db.t4g.small", 2),
        ("db.t3.2xlarge", 32),
        ("db.m5.24xlarge", 384),
        ("db.m6i.32xlarge", 512),
        ("db.m7g.large", 8),
        ("db.m7g.xlarge", 16),
        ("db.m7g.16xlarge", 256),
        ("db.m7i.48xlarge", 768),
        ("db.r7g.large", 16),
        ("db.r7g.8xlarge", 256),
        ("db.r8g.48xlarge", 1536),
    ],
)
def test_a_class_has_awss_memory(name: str, gib: int) -> None:
    assert database_memory(name) == gib


@pytest.mark.parametrize(
    "name",
    [
        "db.m7g.huge",
        "db.m7g.medium",
        "db.m7g.24xlarge",
        "db.m7i.32xlarge",
        "db.t4g.4xlarge",
        "db.m1.large",
        "db.m7g",
        "db.",
        "",
        "m7g.large.db",
        "db.m7g.large ",
        "DB.M7G.LARGE",
    ],
)
def test_a_class_that_rds_does_not_have_is_none(name: str) -> None:
    assert database_memory(name) is None


@pytest.mark.parametrize(
    ("name", "connections"),
    [("db.t4g.micro", 100), ("db.t4g.small", 200), ("db.m7g.large", 800), ("db.r7g.8xlarge", 5000)],
)
def test_connections_follow_the_memory_up_to_rdss_ceiling(name: str, connections: int) -> None:
    assert max_connections(name) == connections


def test_a_class_has_no_more_connections_than_rds_would_give_it_itself() -> None:
    for name in ("db.t4g.micro", "db.m7g.large", "db.r7g.xlarge"):
        memory = database_memory(name)
        assert memory
        assert max_connections(name) <= memory * 1024**3 / 9_531_392


def test_no_class_has_no_connections() -> None:
    with pytest.raises(KeyError, match=r"db\.m7g\.huge"):
        max_connections("db.m7g.huge")


@pytest.mark.parametrize(
    "name", ["cache.t4g.micro", "cache.t3.medium", "cache.m7g.large", "cache.r7g.16xlarge", "cache.r5.24xlarge"]
)
def test_a_node_type_of_elasticache_is_one(name: str) -> None:
    assert is_cache_node(name)


@pytest.mark.parametrize(
    "name", ["cache.t4g.large", "cache.m7g.24xlarge", "cache.m5.8xlarge", "cache.m7g", "cache.", "", "cache.m7i.large"]
)
def test_a_node_type_that_elasticache_does_not_have_is_none(name: str) -> None:
    assert not is_cache_node(name)


def test_messages_name_every_family() -> None:
    assert database_families() == "t3, t4g, m5, m6g, m6i, m7g, m7i, m8g, r5, r6g, r6i, r7g, r7i, r8g"
    assert cache_families() == "m5, m6g, m7g, r5, r6g, r7g, t3, t4g"
