"""What the stand-in of CloudWatch's alarms takes and refuses."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from offline.standins.aws.observability import ALARM
from offline.standins.kind import StandinError


def call(**inputs: Any) -> Any:
    return cast("Any", SimpleNamespace(inputs={"name": "web-next-errors", **inputs}))


def test_an_alarm_is_made_with_its_dimensions() -> None:
    assert ALARM.create_parameters(call(dimensions={"LoadBalancer": "app/lb/1"})) == {
        "Dimensions": [{"Name": "LoadBalancer", "Value": "app/lb/1"}]
    }


def test_an_alarm_on_a_formula_is_refused_and_not_made_without_it() -> None:
    for parameters in (ALARM.create_parameters, ALARM.update_parameters):
        with pytest.raises(StandinError, match="alarm 'web-next-errors' is on a formula"):
            parameters(call(metricQueries=[{"id": "errors"}]))
