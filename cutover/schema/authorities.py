"""Amazon RDS' certificate authorities: whom a connection to the audit database believes on AWS."""

from __future__ import annotations

import re
from pathlib import Path

FILE = Path(__file__).with_name("rds.pem")
"""The self-signed authorities of the group, one a region, each under a line that names the region."""
GROUP = "rds-ca-rsa2048-g1"
"""What RDS calls the authorities that sign a server's certificate; an instance names it."""


def regions() -> frozenset[str]:
    """The regions whose authority is in the file."""
    return frozenset(re.findall(r"^(\S+) until \d{4}-\d\d-\d\d$", FILE.read_text(), re.MULTILINE))
