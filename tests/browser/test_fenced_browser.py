"""The browser asks this machine's pages and nobody else: a canary of its kind ends at the closed proxy."""

from __future__ import annotations

import pytest
from playwright.sync_api import BrowserContext, Error

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("address", ["http://192.0.2.1/", "https://s3.eu-central-1.amazonaws.com/"])
def test_a_page_elsewhere_is_not_reached(context: BrowserContext, address: str) -> None:
    with pytest.raises(Error, match="ERR_PROXY_CONNECTION_FAILED"):
        context.new_page().goto(address)
