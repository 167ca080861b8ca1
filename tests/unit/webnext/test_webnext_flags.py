from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError
from prometheus_client import REGISTRY

from webnext.dependency import AwayError
from webnext.flags import Flags
from webnext.settings import FlagValues, Settings

PARAMETER = "/web-next-test/flags"
STARTING = FlagValues(FEATURE_AUTO_PAUSE=0.1)


class Parameters:
    """An SSM that holds one text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.away = False
        self.asked = 0

    def get_parameter(self, *, Name: str) -> dict[str, Any]:  # noqa: N803
        assert Name == PARAMETER
        self.asked += 1
        if self.away:
            raise EndpointConnectionError(endpoint_url="http://ssm")
        return {"Parameter": {"Value": self.text}}


def flags(parameters: Parameters | None) -> Flags:
    settings = Settings(flags=STARTING, flags_parameter=PARAMETER if parameters else None)
    return Flags(settings, parameters)


def gauge(name: str) -> float | None:
    return REGISTRY.get_sample_value("web_next_flag", {"name": name})


def test_a_flag_that_cutover_writes_is_in_force_after_the_next_poll_and_shown() -> None:
    parameters = Parameters(json.dumps({"FEATURE_AUTO_PAUSE": 0.5, "EVIDENCE_CLEANUP_DRY_RUN": True}))
    read = flags(parameters)
    assert read.now == STARTING
    assert gauge("FEATURE_AUTO_PAUSE") == 0.1

    asyncio.run(read.poll())

    assert read.now == FlagValues(FEATURE_AUTO_PAUSE=0.5, EVIDENCE_CLEANUP_DRY_RUN=True)
    assert gauge("FEATURE_AUTO_PAUSE") == 0.5
    assert gauge("EVIDENCE_CLEANUP_DRY_RUN") == 1


def test_a_flag_that_the_parameter_lacks_stays_as_it_is() -> None:
    read = flags(Parameters('{"EVIDENCE_CLEANUP_DRY_RUN": true}'))

    asyncio.run(read.poll())

    assert read.now == FlagValues(FEATURE_AUTO_PAUSE=STARTING.FEATURE_AUTO_PAUSE, EVIDENCE_CLEANUP_DRY_RUN=True)


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"FEATURE_AUTO_PAUSE": 1.5}', '{"FEATURE_BATCH_PROMOTE": NaN}', '"on"', "null"]
)
def test_a_parameter_that_holds_no_flags_leaves_them_as_they_are_and_is_logged(
    text: str, caplog: pytest.LogCaptureFixture
) -> None:
    read = flags(Parameters(text))

    with caplog.at_level(logging.WARNING):
        asyncio.run(read.poll())

    assert read.now == STARTING
    assert PARAMETER in caplog.text


def test_a_parameter_that_is_away_leaves_them_as_they_are() -> None:
    parameters = Parameters("{}")
    parameters.away = True
    read = flags(parameters)

    with pytest.raises(AwayError, match="ssm"):
        asyncio.run(read.poll())

    assert read.now == STARTING


def test_polling_starts_with_open_goes_on_after_a_failure_and_ends_with_close(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webnext.flags.POLL_SECONDS", 0.0)
    parameters = Parameters('{"FEATURE_BATCH_PROMOTE": 1}')
    parameters.away = True
    read = flags(parameters)

    async def run() -> int:
        await read.open()
        await asyncio.sleep(0.05)
        parameters.away = False
        while read.now.FEATURE_BATCH_PROMOTE != 1:
            read._ssm._open_until = 0  # not to wait for the breaker
            await asyncio.sleep(0.01)
        await read.close()
        await asyncio.sleep(0.02)
        asked = parameters.asked
        await asyncio.sleep(0.05)
        return asked

    assert asyncio.run(run()) == parameters.asked


def test_without_a_parameter_nothing_is_polled() -> None:
    read = flags(None)

    asyncio.run(read.open())

    assert read._task is None
