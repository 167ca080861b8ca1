"""The vault, when it does not answer."""

from __future__ import annotations

import pytest

from cutover.errors import UnreachableError
from cutover.schema.secrets import secret_value

ARN = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:web-next-local/AUDIT_DB_URL"


def test_a_vault_that_does_not_answer_is_out_of_reach_and_says_who_starts_it() -> None:
    with pytest.raises(UnreachableError, match=r"does not answer .*: make up starts it$"):
        secret_value(ARN, region="eu-central-1", emulator="http://127.0.0.1:1")
