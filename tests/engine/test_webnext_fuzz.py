"""The API against its own OpenAPI document: whatever is sent, the answers are those that the document promises.

FUZZ_URL=http://… asks a running web-next instead of one made here; FUZZ_EXAMPLES=1000 looks longer.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import Case
from schemathesis.checks import CheckFunction
from schemathesis.specs.openapi.checks import positive_data_acceptance

from tests.engine.serving import served
from webnext.app import OPENAPI, create_app
from webnext.assembly import services_for
from webnext.settings import Settings

pytestmark = pytest.mark.engine

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "40"))


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Where the API under test listens."""
    if running := os.environ.get("FUZZ_URL"):
        yield running
        return
    with served(create_app(services_for(Settings()))) as address:
        yield address


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    with requests.Session() as kept:
        yield kept


def load() -> schemathesis.BaseSchema:
    if running := os.environ.get("FUZZ_URL"):
        return schemathesis.openapi.from_url(f"{running}{OPENAPI}")
    return schemathesis.openapi.from_asgi(OPENAPI, create_app(services_for(Settings())))


def excused(case: Case[Any]) -> list[CheckFunction]:
    """The check that valid data is accepted, for what JSON Schema cannot say and the document says in words."""
    return [positive_data_acceptance] if r"\u0000" in json.dumps(case.body, default=str) else []


schema = load()


@schema.parametrize()
@settings(
    max_examples=EXAMPLES, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)
def test_every_answer_is_one_that_the_document_promises(case: Case[Any], url: str, session: requests.Session) -> None:
    case.call_and_validate(base_url=url, session=session, excluded_checks=excused(case))
