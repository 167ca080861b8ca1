"""Who may reach the console: networks, or anyone where that is spelled out."""

from __future__ import annotations

from ipaddress import IPv4Network, collapse_addresses
from typing import Annotated

from pydantic import BaseModel, ValidatorFunctionWrapHandler, WrapValidator

from outputs.network import Network
from outputs.section import FORM, Switch, known
from outputs.slots import EdgeAccess

ANYONE = IPv4Network("0.0.0.0/0")
GROUP_RULES = 60
"""What AWS lets into a security group by default: rules, each of one network and one port."""
MOST_RULES = 50
"""What settings may amount to. The rest is for an update, which makes the new rules before it deletes the old ones."""


def _spelled_out(value: object, read: ValidatorFunctionWrapHandler) -> list[IPv4Network]:
    if value == "anyone":
        return [ANYONE]
    networks = list(collapse_addresses(read(value)))
    if ANYONE in networks:
        raise ValueError("everybody, and not spelled out")
    return networks


Reach = Annotated[
    Annotated[list[Network], WrapValidator(_spelled_out)] | None,
    known("a list of networks, such as 198.51.100.0/24, or the word anyone, which no networks may amount to"),
]


class AccessSettings(BaseModel):
    """Networks by what they may ask. A path of machines has its own, else those of the console."""

    model_config = FORM

    clients: Reach = None
    internal: Switch = False
    webhook: Reach = None
    audit_push: Reach = None

    @property
    def edge(self) -> EdgeAccess:
        """What nginx refuses by."""
        console = [ANYONE] if self.clients is None else self.clients
        lists = {"console": console, "webhook": self.webhook, "audit_push": self.audit_push}
        return EdgeAccess(
            **{
                name: [str(one) for one in (console if networks is None else networks)]
                for name, networks in lists.items()
            }
        )
