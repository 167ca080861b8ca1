"""What a stack says about reaching its audit database."""

from __future__ import annotations

from typing import Any

import pytest

from cutover.errors import MigrationError
from cutover.schema.access import AuditDatabase
from outputs.shape import OutputError
from tests.support.database_output import OUTPUT


def test_a_direct_access_goes_where_the_url_says() -> None:
    access = AuditDatabase.from_output(OUTPUT)

    assert (access.mode, access.secret_arn, access.address, access.retention_months) == ("direct", "arn", None, None)


def test_a_tunnel_ends_on_this_machine_and_numbers_are_whole() -> None:
    access = AuditDatabase.from_output(
        OUTPUT | {"mode": "tunnel", "bastion": "b", "local_port": 15432.0, "retention_months": 24.0, "more": 1}
    )

    assert access.address == ("127.0.0.1", 15432)
    assert repr(access.retention_months) == "24"


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"mode": "carrier pigeon"}, "mode: Input should be 'direct', 'tunnel' or 'later'"),
        ({"mode": None}, "mode: Input should be"),
        ({"mode": "tunnel"}, "mode tunnel needs a local_port"),
        ({"region": None}, "region: Input should be a valid string"),
    ],
)
def test_an_output_of_another_revision_is_refused(change: dict[str, Any], wrong: str) -> None:
    with pytest.raises(OutputError, match=f"by another revision of the project .*{wrong}.*: use that revision"):
        AuditDatabase.from_output(OUTPUT | change)


def test_a_database_put_off_is_not_opened() -> None:
    with (
        pytest.raises(MigrationError, match=r"database\.access is later"),
        AuditDatabase.from_output(OUTPUT | {"mode": "later"}).open(),
    ):
        pass
