"""What a stack says about reaching its audit database."""

from __future__ import annotations

from typing import Any

import pytest

from cutover.errors import CutoverError, MigrationError
from cutover.schema.access import DatabaseAccess
from tests.support.database_output import OUTPUT


def test_a_direct_access_goes_where_the_url_says() -> None:
    access = DatabaseAccess.from_output(OUTPUT)

    assert (access.mode, access.secret_arn, access.address, access.retention_months) == ("direct", "arn", None, None)


def test_a_tunnel_ends_on_this_machine_and_numbers_are_whole() -> None:
    access = DatabaseAccess.from_output(
        OUTPUT | {"mode": "tunnel", "bastion": "i-1", "local_port": 15432.0, "retention_months": 24.0, "more": 1}
    )

    assert access.address == ("127.0.0.1", 15432)
    assert repr(access.retention_months) == "24"


@pytest.mark.parametrize("change", [{"mode": "carrier pigeon"}, {"mode": None}, {"mode": "tunnel"}])
def test_an_output_of_another_revision_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(CutoverError, match=r"output audit_db_access has mode .*: use the revision that brought"):
        DatabaseAccess.from_output(OUTPUT | change)


def test_a_database_put_off_is_not_opened() -> None:
    with (
        pytest.raises(MigrationError, match="databaseAccess is later"),
        DatabaseAccess.from_output(OUTPUT | {"mode": "later"}).open(),
    ):
        pass
