"""The slot that a base keeps for a candidate: all that a candidate's service needs, and nothing else of the base."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True, kw_only=True)
class FargateSlot:
    """The output `slots.candidate` of a base, field by field.

    Roles, cluster and target group are ARNs; subnets and security group ids. `edge` is what the task's nginx is told
    beside its track: server_name, edge_id, rate_per_minute, burst, trusted_proxies. `environment` is what both
    tracks' apps are told. `ready_alarm` is the alarm that ends a deployment.
    """

    region: str
    cluster: Any
    subnets: Sequence[Any]
    security_group: Any
    target_group: Any
    execution_role: Any
    task_role: Any
    log_group: str
    ready_alarm: str
    edge: Mapping[str, Any]
    environment: Mapping[str, str]

    def output(self) -> dict[str, Any]:
        """The slot as the base's output shows it."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_output(cls, output: Mapping[str, Any]) -> FargateSlot:
        """The slot that an output describes. Raises ValueError, naming what is missing."""
        missing = [field.name for field in fields(cls) if field.name not in output]
        if missing:
            raise ValueError(
                f"the base's slots.candidate has no {', '.join(missing)}: it was brought up by another version; "
                "bring the base up first"
            )
        return cls(**{field.name: output[field.name] for field in fields(cls)})
