"""The browser of the smoke suite reaches the edge at its address too, and believes nobody else's certificate."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Error

from cutover.edge import resolver_rules
from cutover.smoke.browser import chromium
from cutover.smoke.tab import verified_key
from tests.support.tls_edge import NAME, tls_edge

pytestmark = pytest.mark.browser


def test_a_page_of_a_name_that_leads_nowhere_is_loaded_from_the_address(tmp_path: Path) -> None:
    with tls_edge(tmp_path) as edge:
        options = ["--no-proxy-server", f"--ignore-certificate-errors-spki-list={verified_key(edge)}"]
        for given in (edge, replace(edge, address=None)):
            with chromium(*options, *resolver_rules(given)) as browser:
                page = browser.new_page()
                if given.address:
                    answer = page.goto(f"{edge.url}/")
                    assert answer
                    assert answer.json()["host"].startswith(NAME)
                else:
                    with pytest.raises(Error, match="ERR_NAME_NOT_RESOLVED"):
                        page.goto(f"{edge.url}/")
