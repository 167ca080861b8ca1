"""A machine and its images, as a stack file is written for them."""

from __future__ import annotations

from offline.machine import Machine

IMAGES = {
    name: "sha256:" + digit * 64
    for name, digit in {"web-next": "a", "double": "d", "nginx": "e", "prometheus": "b", "mtail": "c"}.items()
}
MACHINE = Machine(
    clone="0a1b2c3d",
    account="111122223333",
    network="web-next-0a1b2c3d",
    subnet="10.213.7.0/24",
    gateway="10.213.7.1",
    emulator_port=4573,
    edge_port=8450,
    rds_base_port=20112,
    elasticache_base_port=25112,
)
