"""What makes, changes and ends a stack's data: buckets, database, queues, vault and key."""

from __future__ import annotations

from bootstrap.place import BUCKETS, GETS_TAG, HAS_TAG, NAMED, NO_TAG, Place, Statement, allow
from bootstrap.rights.reading import CACHE


def keeping_data(place: Place) -> list[Statement]:
    """In `infra/bucket.py`, `infra/audit.py`, `infra/queues.py` and `infra/vault.py`. Nothing under lock in the records
    bucket is ended by it: nobody here may go round the lock."""
    return [*_buckets(place), *_servers(place), *_vault(place)]


def _buckets(place: Place) -> list[Statement]:
    emptied = [purpose for purpose in BUCKETS if purpose != "records"]
    return [
        allow(
            "Buckets",
            "s3",
            "CreateBucket DeleteBucket DeleteBucketPolicy PutBucketCORS PutBucketObjectLockConfiguration "
            "PutBucketOwnershipControls PutBucketPolicy PutBucketPublicAccessBlock PutBucketTagging "
            "PutBucketVersioning PutEncryptionConfiguration PutLifecycleConfiguration TagResource UntagResource",
            place.buckets(*BUCKETS),
        ),
        allow("Record", "s3", "PutObject PutObjectTagging", place.buckets("records", inside="/*")),
        # A bucket that mayDestroy names goes with all it holds.
        allow("Emptied", "s3", "ListBucketVersions", place.buckets(*emptied)),
        allow("Ended", "s3", "DeleteObject DeleteObjectVersion", place.buckets(*emptied, inside="/*")),
    ]


def _servers(place: Place) -> list[Statement]:
    database = place.arn("rds", *(f"{one}:{NAMED}" for one in ("db", "pg", "snapshot", "subgrp")), "og:default:*")
    queues = place.arn("elasticache", *(f"{one}:{NAMED}" for one in (*CACHE, "snapshot")))
    return [
        allow(
            "Database",
            "rds",
            "AddTagsToResource CreateDBInstance CreateDBParameterGroup CreateDBSnapshot CreateDBSubnetGroup "
            "DeleteDBInstance DeleteDBParameterGroup DeleteDBSubnetGroup ModifyDBInstance ModifyDBParameterGroup "
            "ModifyDBSubnetGroup RebootDBInstance RemoveTagsFromResource ResetDBParameterGroup",
            database,
        ),
        allow(
            "Queues",
            "elasticache",
            "AddTagsToResource CreateCacheParameterGroup CreateCacheSubnetGroup CreateReplicationGroup CreateSnapshot "
            "DecreaseReplicaCount DeleteCacheParameterGroup DeleteCacheSubnetGroup DeleteReplicationGroup "
            "IncreaseReplicaCount ModifyCacheParameterGroup ModifyCacheSubnetGroup ModifyReplicationGroup "
            "RemoveTagsFromResource",
            queues,
        ),
        # Logs that AWS delivers: of the queues, and of the firewall. AWS has no rights for one delivery.
        allow(
            "Delivery",
            "logs",
            "CreateLogDelivery DeleteLogDelivery GetLogDelivery ListLogDeliveries PutResourcePolicy UpdateLogDelivery",
            "*",
        ),
    ]


def _vault(place: Place) -> list[Statement]:
    keys = place.arn("kms", "key/*")
    names = place.arn("kms", f"alias/{NAMED}")
    grants = {"Bool": {"kms:GrantIsForAWSResource": "true"}, **place.by_way_of("rds", "elasticache")}
    return [
        allow(
            "Vault",
            "secretsmanager",
            "CreateSecret DeleteResourcePolicy DeleteSecret PutResourcePolicy PutSecretValue TagResource UntagResource "
            "UpdateSecret UpdateSecretVersionStage",
            place.arn("secretsmanager", f"secret:{NAMED}"),
        ),
        allow("MakesKeys", "kms", "CreateKey", "*", GETS_TAG),
        # At once after it is made, when KMS may not know its tag yet: it takes up to five minutes.
        allow("NewKeys", "kms", "EnableKeyRotation TagResource", keys, NO_TAG),
        allow(
            "Keys",
            "kms",
            "DisableKeyRotation EnableKeyRotation PutKeyPolicy ScheduleKeyDeletion TagResource UntagResource "
            "UpdateKeyDescription",
            keys,
            HAS_TAG,
        ),
        allow("KeyNames", "kms", "CreateAlias DeleteAlias UpdateAlias", [*keys, *names]),
        allow("VaultKey", "kms", "GenerateDataKey", keys, place.entries),
        # The service asks for whoever asks it, and its names are bound already.
        allow("QueuesKey", "kms", "Encrypt GenerateDataKey", keys, place.by_way_of("elasticache")),
        allow("KeyGrants", "kms", "CreateGrant", keys, grants),
    ]
