"""Keys from before there were sections for them: where each is now."""

from __future__ import annotations

from collections.abc import Mapping

MOVED: Mapping[str, str] = {
    "databaseClass": "database.class",
    "databaseStorage": "database.storage",
    "databaseMaxStorage": "database.maxStorage",
    "databaseMultiAz": "database.multiAz",
    "databaseBackupDays": "database.backupDays",
    "databaseAccess": "database.access",
    "databaseTunnelPort": "database.tunnelPort",
    "databaseClientGroups": "database.clientGroups",
    "queueNodeType": "queues.nodeType",
    "queueReplicas": "queues.replicas",
    "queueSnapshotDays": "queues.snapshotDays",
    "ratePerMinute": "edge.ratePerMinute",
    "burst": "edge.burst",
    "pinning": "edge.pinning",
    "trustedProxies": "edge.trustedProxies",
    "trustedCallers": "edge.trustedCallers",
    "edgeImage": "edge.image",
}
"""The path that each of those keys has now."""
