"""Cases of the rules on where data lies: buckets, database, queues, secrets, keys."""

from __future__ import annotations

import json

from tests.unit.policy import captured
from tests.unit.policy.case import Case
from tests.unit.policy.changes import both, drop, gone, hide, more, put, rewrite

ELSEWHERE = "arn:aws:iam::999999999999:root"
OPEN = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}]}
)
ANOTHER = {"AWS": "arn:aws:iam::444455556666:root"}
"""An account that is neither ours nor the one that rules ask about unasked."""
EVIDENCE = "arn:aws:s3:::web-next-test-evidence-123456789012"
RECORDS = "web-next-test-records-123456789012"
ALL_OF_IT = {"id": "all", "status": "Enabled", "expiration": {"days": 1.0}}
APP_ROLE = "arn:aws:iam::123456789012:role/web-next-test"
EXEMPT_FROM_TLS = (
    '{"Bool": {"aws:SecureTransport": "false"}}',
    '{"Bool": {"aws:SecureTransport": "false"}, "ArnNotEquals": {"aws:PrincipalArn": ["' + APP_ROLE + '"]}}',
)


def lets(principal: object, action: str, resource: str = "*", condition: object = None) -> str:
    """A policy that allows one thing."""
    one = {"Effect": "Allow", "Principal": principal, "Action": action, "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": [{**one, "Condition": condition} if condition else one]})


CASES = [
    Case(
        rule="s3-public-access-blocked",
        at="evidence",
        bad=[
            *(
                put("BucketPublicAccessBlock evidence", one, False)
                for one in ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
            ),
            drop("BucketPublicAccessBlock evidence", "blockPublicPolicy"),
            gone("BucketPublicAccessBlock evidence"),
            gone("BucketOwnershipControls evidence"),
            put("BucketOwnershipControls evidence", "rule.objectOwnership", "ObjectWriter"),
        ],
        unknown=hide("BucketPublicAccessBlock evidence", "blockPublicAcls"),
    ),
    Case(
        rule="s3-encrypted",
        at="records",
        bad=[
            gone("BucketServerSideEncryptionConfiguration records"),
            put("BucketServerSideEncryptionConfiguration records", "rules", []),
            drop("BucketServerSideEncryptionConfiguration records", "rules.0.applyServerSideEncryptionByDefault"),
        ],
        unknown=hide("BucketServerSideEncryptionConfiguration records", "rules"),
    ),
    Case(
        rule="s3-tls-only",
        at="evidence",
        bad=[
            gone("BucketPolicy evidence"),
            rewrite(
                "BucketPolicy evidence", "policy", '"aws:SecureTransport": "false"', '"aws:SecureTransport": "true"'
            ),
            rewrite("BucketPolicy evidence", "policy", *EXEMPT_FROM_TLS),
            rewrite("BucketPolicy evidence", "policy", '"Action": "s3:*"', '"Action": "s3:PutObject"'),
            rewrite("BucketPolicy evidence", "policy", '"arn:aws:s3:::web-next-test-evidence-123456789012", ', ""),
        ],
        unknown=hide("BucketPolicy evidence", "policy"),
    ),
    Case(
        rule="s3-not-public",
        at="evidence",
        bad=[
            put("BucketPolicy evidence", "policy", OPEN),
            put(
                "BucketPolicy evidence",
                "policy",
                OPEN.replace('"Resource": "*"', f'"Resource": "{EVIDENCE}/evidence/*"'),
            ),
            put("BucketPolicy evidence", "policy", OPEN.replace('"*", "A', json.dumps({"AWS": ELSEWHERE}) + ', "A', 1)),
            put("BucketPolicy evidence", "policy", lets(ANOTHER, "s3:GetObject")),
            put("BucketPolicy evidence", "policy", lets({"AWS": "444455556666"}, "s3:GetObject")),
            put("BucketPolicy evidence", "policy", lets("*", "s3:PutObjectAcl")),
            put(
                "BucketPolicy evidence",
                "policy",
                lets("*", "s3:GetObject", "*", {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::444455556666:role/*"}}),
            ),
            put(
                "BucketPolicy evidence",
                "policy",
                lets("*", "s3:GetObject", "*", {"StringEquals": {"aws:PrincipalAccount": "444455556666"}}),
            ),
        ],
        unknown=hide("BucketPolicy evidence", "policy"),
    ),
    Case(
        rule="s3-versioned",
        at="records",
        bad=[
            gone("BucketVersioning records"),
            put("BucketVersioning records", "versioningConfiguration.status", "Suspended"),
        ],
        unknown=hide("BucketVersioning records", "versioningConfiguration"),
    ),
    Case(
        rule="s3-really-emptied",
        at="evidence",
        bad=[
            drop("BucketLifecycleConfiguration evidence", "rules.0.noncurrentVersionExpiration"),
            drop("BucketLifecycleConfiguration evidence", "rules.0.abortIncompleteMultipartUpload"),
            drop("BucketLifecycleConfiguration evidence", "rules.1"),
            put("BucketLifecycleConfiguration evidence", "rules.1.status", "Disabled"),
            put("BucketLifecycleConfiguration evidence", "rules.1.filter.prefix", "spool/"),
            put("BucketLifecycleConfiguration evidence", "rules.1.filter", {"tag": {"key": "a", "value": "b"}}),
            put("BucketLifecycleConfiguration evidence", "rules.1.filter", {"and": {"tags": {"a": "b"}}}),
        ],
        unknown=hide("BucketLifecycleConfiguration evidence", "rules"),
        good=[put("BucketLifecycleConfiguration evidence", "rules.1.filter", {"and": {"prefix": "evidence/"}})],
    ),
    Case(
        rule="uploads-closed",
        at="evidence",
        bad=[
            rewrite("BucketPolicy evidence", "policy", "s3:GetObjectVersion", "s3:GetObjectAcl"),
            rewrite("BucketPolicy evidence", "policy", "ArnNotEquals", "ArnEquals"),
            both(
                rewrite("BucketPolicy evidence", "policy", "ArnNotEquals", "ArnEquals"),
                rewrite("BucketPolicy evidence", "policy", '"Action": ["s3:PutObject",', '"Action": ["s3:putobject",'),
            ),
            rewrite("BucketPolicy evidence", "policy", '"Sid": "NobodyElse", "Effect": "Deny"', '"Effect": "Allow"'),
        ],
        unknown=hide("BucketPolicy evidence", "policy"),
    ),
    Case(
        rule="uploads-expire",
        at="evidence",
        bad=[
            gone("BucketLifecycleConfiguration evidence"),
            drop("BucketLifecycleConfiguration evidence", "rules.0.expiration"),
            put("BucketLifecycleConfiguration evidence", "rules.0.status", "Disabled"),
            drop("BucketLifecycleConfiguration evidence", "rules.2.noncurrentVersionExpiration"),
            drop("BucketLifecycleConfiguration evidence", "rules.2"),
            *(
                put("BucketLifecycleConfiguration evidence", "rules.2.filter", narrow)
                for narrow in (
                    {"tag": {"key": "a", "value": "b"}},
                    {"and": {"prefix": "spool/", "tags": {"a": "b"}}},
                    {"and": {"prefix": "elsewhere/"}},
                    {"prefix": "spool/", "objectSizeGreaterThan": 1024.0},
                )
            ),
        ],
        unknown=hide("BucketLifecycleConfiguration evidence", "rules"),
    ),
    Case(
        rule="uploads-expire",
        at="access-logs",
        bad=[gone("BucketLifecycleConfiguration access-logs")],
        unknown=hide("BucketLifecycleConfiguration access-logs", "rules"),
    ),
    Case(
        rule="s3-locked",
        at="records",
        bad=[
            gone("BucketObjectLockConfiguration records"),
            put("BucketObjectLockConfiguration records", "rule.defaultRetention.days", 1.0),
            drop("Bucket records", "objectLockEnabled"),
            both(drop("Bucket records", "objectLockEnabled"), gone("BucketObjectLockConfiguration records")),
            rewrite("BucketPolicy records", "policy", APP_ROLE, f"{APP_ROLE}-else"),
            rewrite("BucketPolicy records", "policy", '"Action": "s3:*"', '"Action": "s3:PutObject"'),
            rewrite("BucketPolicy records", "policy", "-123456789012/packs/*", "-123456789012/other/*"),
            rewrite("BucketPolicy records", "policy", '{"s3:if-none-match": "true"}', '{"s3:if-none-match": "false"}'),
        ],
        unknown=hide("BucketObjectLockConfiguration records", "rule"),
        good=[
            put("BucketObjectLockConfiguration records", "rule.defaultRetention", {"mode": "GOVERNANCE", "years": 1.0})
        ],
    ),
    Case(
        rule="s3-kept",
        at="evidence",
        bad=[
            *(put("BucketLifecycleConfiguration evidence", "rules.0.filter", wide) for wide in ({}, {"prefix": "sp"})),
            put("BucketLifecycleConfiguration evidence", "rules.2.expiration", {"days": 1.0}),
            put("BucketLifecycleConfiguration evidence", "rules.2.expiration", {"date": "2027-01-01T00:00:00Z"}),
            put("BucketLifecycleConfiguration evidence", "rules.2", {**ALL_OF_IT, "prefix": "spool/a"}),
        ],
        unknown=hide("BucketLifecycleConfiguration evidence", "rules"),
        good=[put("BucketLifecycleConfiguration evidence", "rules.2", {**ALL_OF_IT, "status": "Disabled"})],
    ),
    Case(
        rule="s3-kept",
        at="records",
        bad=[
            more("BucketLifecycleConfiguration evidence", "records", bucket=RECORDS, rules=[each])
            for each in (
                ALL_OF_IT,
                {"id": "a", "status": "Enabled", "noncurrentVersionExpiration": {"noncurrentDays": 1.0}},
            )
        ],
        unknown=hide("Bucket records", "objectLockEnabled"),
    ),
    Case(
        rule="rds-encrypted",
        at="audit",
        bad=[
            put("Instance audit", "storageEncrypted", False),
            drop("Instance audit", "storageEncrypted"),
            drop("Instance audit", "kmsKeyId"),
            put("Instance audit", "kmsKeyId", "alias/aws/rds"),
        ],
        unknown=hide("Instance audit", "storageEncrypted"),
    ),
    Case(
        rule="rds-private",
        at="audit",
        bad=[put("Instance audit", "publiclyAccessible", True), drop("Instance audit", "dbSubnetGroupName")],
        unknown=hide("Instance audit", "publiclyAccessible"),
    ),
    Case(
        rule="rds-tls-forced",
        at="audit",
        bad=[
            put("ParameterGroup audit", "parameters.0.value", "0"),
            drop("ParameterGroup audit", "parameters.0"),
            drop("Instance audit", "parameterGroupName"),
        ],
        unknown=hide("ParameterGroup audit", "parameters"),
    ),
    Case(
        rule="rds-kept",
        at="audit",
        bad=[
            put("Instance audit", "deletionProtection", False),
            put("Instance audit", "skipFinalSnapshot", True),
            put("Instance audit", "deleteAutomatedBackups", True),
            put("Instance audit", "backupRetentionPeriod", 0.0),
            drop("Instance audit", "backupRetentionPeriod"),
        ],
        unknown=hide("Instance audit", "deletionProtection"),
    ),
    Case(
        rule="rds-looked-after",
        at="audit",
        bad=[
            drop("Instance audit", "enabledCloudwatchLogsExports"),
            put("Instance audit", "autoMinorVersionUpgrade", False),
            drop("Instance audit", "copyTagsToSnapshot"),
        ],
        unknown=hide("Instance audit", "enabledCloudwatchLogsExports"),
    ),
    Case(
        rule="elasticache-encrypted",
        at="queues",
        bad=[
            put("ReplicationGroup queues", "atRestEncryptionEnabled", False),
            drop("ReplicationGroup queues", "transitEncryptionEnabled"),
            drop("ReplicationGroup queues", "authToken"),
            drop("ReplicationGroup queues", "kmsKeyId"),
            put("ReplicationGroup queues", "transitEncryptionMode", "preferred"),
        ],
        unknown=hide("ReplicationGroup queues", "transitEncryptionEnabled"),
    ),
    Case(
        rule="elasticache-noeviction",
        at="queues",
        bad=[
            put("ParameterGroup queues", "parameters.0.value", "allkeys-lru"),
            put("ParameterGroup queues", "parameters", []),
            drop("ReplicationGroup queues", "parameterGroupName"),
        ],
        unknown=hide("ReplicationGroup queues", "parameterGroupName"),
    ),
    Case(
        rule="elasticache-cluster-mode-off",
        at="queues",
        bad=[
            put("ReplicationGroup queues", "clusterMode", "enabled"),
            put("ReplicationGroup queues", "numNodeGroups", 2.0),
            put("ParameterGroup queues", "parameters", [{"name": "cluster-enabled", "value": "yes"}]),
        ],
        unknown=hide("ReplicationGroup queues", "numNodeGroups"),
    ),
    Case(
        rule="elasticache-kept",
        at="queues",
        bad=[
            put("ReplicationGroup queues", "snapshotRetentionLimit", 0.0),
            drop("ReplicationGroup queues", "autoMinorVersionUpgrade"),
            drop("ReplicationGroup queues", "subnetGroupName"),
        ],
        unknown=hide("ReplicationGroup queues", "snapshotRetentionLimit"),
    ),
    Case(
        rule="secrets-own-key-and-kept",
        at="REDIS_URL",
        bad=[drop("Secret REDIS_URL", "kmsKeyId"), put("Secret REDIS_URL", "recoveryWindowInDays", 0.0)],
        unknown=hide("Secret REDIS_URL", "recoveryWindowInDays"),
    ),
    Case(
        rule="secrets-readers-named",
        at="AUDIT_DB_MASTER_URL",
        bad=[
            gone("SecretPolicy AUDIT_DB_MASTER_URL"),
            put("SecretPolicy AUDIT_DB_MASTER_URL", "policy", OPEN),
            rewrite(
                "SecretPolicy AUDIT_DB_MASTER_URL",
                "policy",
                '"Statement": [',
                '"Statement": [{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::444455556666:root"}, '
                '"Action": "secretsmanager:PutSecretValue", "Resource": "*"}, ',
            ),
            rewrite("SecretPolicy AUDIT_DB_MASTER_URL", "policy", '"ArnNotEquals"', '"ArnEquals"'),
            put("SecretPolicy AUDIT_DB_MASTER_URL", "blockPublicPolicy", False),
        ],
        unknown=hide("SecretPolicy AUDIT_DB_MASTER_URL", "policy"),
    ),
    Case(
        rule="kms-rotated-and-kept",
        at="vault",
        bad=[
            put("Key vault", "enableKeyRotation", False),
            drop("Key vault", "enableKeyRotation"),
            put("Key vault", "deletionWindowInDays", 7.0),
            put("Key vault", "isEnabled", False),
        ],
        unknown=hide("Key vault", "enableKeyRotation"),
    ),
    Case(
        rule="kms-closed",
        at="state",
        stack=captured.account,
        bad=[
            put("Key state", "policy", OPEN),
            put("Key state", "policy", OPEN.replace('"*", "A', json.dumps({"AWS": ELSEWHERE}) + ', "A', 1)),
        ],
        unknown=hide("Key state", "policy"),
    ),
    Case(
        rule="kms-closed",
        at="vault",
        bad=[
            put("Key vault", "policy", lets(ANOTHER, "kms:Decrypt")),
            put("Key vault", "policy", lets({"AWS": "arn:aws:sts::444455556666:assumed-role/any/one"}, "kms:Decrypt")),
            *(
                put("Key vault", "policy", lets("*", f"kms:{one}"))
                for one in ("CreateGrant", "GenerateDataKey", "ScheduleKeyDeletion", "ReEncryptFrom", "Disable*")
            ),
        ],
        unknown=hide("Key vault", "policy"),
    ),
]
