"""What is not known of a stack, and who belongs to whom in it."""

from __future__ import annotations

import copy
import pickle

import pytest

from policy.resources import UNKNOWN, NotKnownError, Resource, Stack

BUCKET = Resource(
    type="aws:s3/bucketV2:BucketV2",
    name="one",
    urn="urn:one",
    inputs={"bucket": "web-next"},
    ids=frozenset({"web-next"}),
)


def policy(of: object, made_of: frozenset[str] = frozenset()) -> Resource:
    return Resource(
        type="aws:s3/bucketPolicy:BucketPolicy",
        name="p",
        urn="urn:p",
        inputs={"bucket": of},
        refers={"bucket": made_of},
    )


def about(other: Resource) -> list[Resource]:
    stack = Stack(name="test", resources=[BUCKET, other])
    return stack.about("aws:s3/bucketPolicy:BucketPolicy", "bucket", BUCKET)


def test_a_resource_belongs_to_another_by_what_it_is_made_of_or_by_what_it_says() -> None:
    assert about(policy(UNKNOWN, frozenset({"urn:one"})))
    assert about(policy("web-next"))
    assert not about(policy("another"))
    assert not about(policy(UNKNOWN, frozenset({"urn:other"})))


def test_whom_a_resource_belongs_to_is_unknown_where_nothing_says_it() -> None:
    with pytest.raises(NotKnownError, match="p: bucket is not known"):
        about(policy(UNKNOWN))


def test_both_names_of_a_type_are_one() -> None:
    stack = Stack(name="test", resources=[BUCKET])

    assert list(stack.of("aws:s3/bucket:Bucket")) == [BUCKET]


def test_a_value_is_known_only_with_all_that_it_holds() -> None:
    one = Resource(type="t", name="n", urn="u", inputs={"rules": [{"days": 1, "size": UNKNOWN}], "text": UNKNOWN})

    assert one.get("rules.0.days") == 1
    assert one.every("rules.days") == [1]
    assert one.get("nothing.at.all") is None
    for path in ("rules", "rules.0", "rules.0.size", "text", "text.below"):
        with pytest.raises(NotKnownError):
            one.get(path)
    with pytest.raises(NotKnownError):
        one.every("rules.size")


def test_the_unknown_stays_itself_in_a_copy() -> None:
    assert copy.deepcopy({"a": UNKNOWN})["a"] is UNKNOWN
    assert pickle.loads(pickle.dumps(UNKNOWN)) is UNKNOWN
