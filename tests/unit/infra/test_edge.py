"""The edge's configuration, as nginx reads it."""

from __future__ import annotations

from typing import Any

import jinja2
import pytest

from infra import edge
from infra.edge import EdgeConfig, render
from tests.unit.infra.recorder import NAMES, settings


@pytest.mark.parametrize(("rate", "burst"), [(60, 10), (120, 0), (7, 25)])
def test_the_edge_has_the_limit_that_is_configured(rate: int, burst: int) -> None:
    config = EdgeConfig.of(
        settings(ratePerMinute=str(rate), burst=str(burst)), NAMES, upstreams={"stable": "10.213.7.11:3003"}
    )
    lines = [line.strip() for line in render(config).splitlines()]

    assert f"limit_req_zone $binary_remote_addr zone=api:10m rate={rate}r/m;" in lines
    assert f"limit_req zone=api burst={burst} nodelay;" in lines


def test_the_edge_sends_to_the_slot_under_the_stacks_name() -> None:
    text = render(EdgeConfig.of(settings(), NAMES, upstreams={"stable": "10.213.7.11:3003"}))

    assert "server 10.213.7.11:3003 " in text
    assert "server_name localhost;" in text
    assert f"listen {edge.LISTEN} ssl;" in text
    assert '"web-next-test-edge"' in text


def test_a_template_that_names_what_is_not_there_is_an_error(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nginx.conf.j2").write_text("{{ rate_per_second }}")
    monkeypatch.setattr(edge, "TEMPLATES", tmp_path)

    with pytest.raises(jinja2.UndefinedError, match="rate_per_second"):
        render(EdgeConfig.of(settings(), NAMES, upstreams={}))
