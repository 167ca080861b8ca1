"""The vault: one Secrets Manager entry per secret, under a key of its own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws
import pulumi_random as random

from infra.naming import Names
from infra.settings.keys import Settings
from infra.settings.outside import HEADERS, TOKEN

CHANNEL = "SLACK_WEBHOOK_URL"
"""Where people are told: by the app, and by what watches a rollout."""
APP_SECRETS = ("AUDIT_DB_URL", "REDIS_URL", CHANNEL)
"""The entries that the app reads at run time (playbook row 1). Beside those that a stack's settings ask for, all
others are the operators' alone."""


def readers_policy(readers: Sequence[str]) -> str:
    """The resource policy of an entry: whoever is not among the readers is denied its value, whatever else says."""
    statement = {
        "Sid": "NobodyElse",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "secretsmanager:GetSecretValue",
        "Resource": "*",
        "Condition": {"ArnNotEquals": {"aws:PrincipalArn": list(readers)}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@dataclass(frozen=True, kw_only=True)
class VaultArgs:
    """`prefix` starts every entry's name, all that the app knows of its secrets.

    `app_role_arn` may read the app's entries, `watch_role_arn`, where there is one, the channel's, `operators` (role
    ARNs) all. `keep` protects key and entries with alias and policies, and lets deleted entries be restored for 30
    days; otherwise their names are free again at once.
    """

    prefix: str
    key_alias: str
    app_role_arn: str
    watch_role_arn: str | None
    operators: Sequence[str]
    keep: bool

    @classmethod
    def of(cls, settings: Settings, names: Names) -> VaultArgs:
        return cls(
            prefix=names.vault_prefix,
            key_alias=names.key_alias,
            app_role_arn=names.app_role_arn,
            watch_role_arn=None if settings.machine else names.watch_role_arn,
            operators=settings.operators,
            keep=settings.keeps("vault"),
        )


class Vault(pulumi.ComponentResource):
    """The encryption key, and the entries made with :meth:`put` and :meth:`declare`."""

    key: aws.kms.Key
    arns: dict[str, pulumi.Output[str]]

    def __init__(self, name: str, args: VaultArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("web-next:security:Vault", name, None, opts)
        self._args, self._kept = args, pulumi.ResourceOptions(parent=self, protect=args.keep)
        self.arns = {}
        self.key = aws.kms.Key(
            name,
            description=f"Encrypts the secrets under {args.prefix}, the audit database and the queues",
            enable_key_rotation=True,
            deletion_window_in_days=30,
            opts=self._kept,
        )
        aws.kms.Alias(
            name,
            name=args.key_alias,
            target_key_id=self.key.key_id,
            opts=self._kept,
        )
        self.register_outputs({"key": self.key.arn})

    def password(self, name: str, generation: int = 0) -> pulumi.Output[str]:
        """A generated password of 32 letters and digits, so that it stands in a URL as it is. Another `generation` is
        another password."""
        password = random.RandomPassword(
            name,
            length=32,
            special=False,
            keepers={"generation": str(generation)} if generation else None,
            opts=pulumi.ResourceOptions(parent=self),
        )
        return password.result

    def declare(self, name: str, first: pulumi.Input[str] | None = None) -> aws.secretsmanager.Secret:
        """The entry `<prefix><name>`, whose value is put there out of band; its ARN is in `arns`. It begins with the
        value `first` where one is given, and whatever comes after that is left alone."""
        secret = aws.secretsmanager.Secret(
            name,
            name=f"{self._args.prefix}{name}",
            kms_key_id=self.key.arn,
            recovery_window_in_days=30 if self._args.keep else 0,
            opts=self._kept,
        )
        app = [self._args.app_role_arn] if name in (*APP_SECRETS, TOKEN, HEADERS) else []
        watch = [self._args.watch_role_arn] if self._args.watch_role_arn and name == CHANNEL else []
        aws.secretsmanager.SecretPolicy(
            name,
            secret_arn=secret.arn,
            policy=readers_policy([*app, *watch, *self._args.operators]),
            block_public_policy=True,
            opts=self._kept,
        )
        self.arns[name] = secret.arn
        if first is not None:
            self._store(name, secret, first, ignore_changes=["secretString"])
        return secret

    def put(
        self, name: str, value: pulumi.Input[str], after: Sequence[pulumi.Resource] = ()
    ) -> aws.secretsmanager.SecretVersion:
        """Stores `value` as the entry `<prefix><name>`, once what it is about is there, `after`. The value is a secret
        in state."""
        return self._store(name, self.declare(name), value, depends_on=[*after])

    def _store(
        self, name: str, secret: aws.secretsmanager.Secret, value: pulumi.Input[str], **options: Any
    ) -> aws.secretsmanager.SecretVersion:
        return aws.secretsmanager.SecretVersion(
            name,
            secret_id=secret.id,
            secret_string=value,
            opts=pulumi.ResourceOptions(parent=self, **options),
        )
