"""The vault: one Secrets Manager entry per secret, under a key of its own."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws
import pulumi_random as random


@dataclass(frozen=True, kw_only=True)
class VaultArgs:
    """`prefix` starts every entry's name, all that the app knows of its secrets.

    `keep` lets deleted entries be restored for 30 days; otherwise their names are free again at once.
    """

    prefix: str
    keep: bool


class Vault(pulumi.ComponentResource):
    """The encryption key, and the entries put into it with :meth:`put`."""

    key: aws.kms.Key
    arns: dict[str, pulumi.Output[str]]

    def __init__(self, name: str, args: VaultArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("web-next:security:Vault", name, None, opts)
        self._prefix = args.prefix
        self._recovery_days = 30 if args.keep else 0
        self.arns = {}
        self.key = aws.kms.Key(
            name,
            description=f"Encrypts the secrets under {args.prefix}",
            enable_key_rotation=True,
            deletion_window_in_days=30,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({"key": self.key.arn})

    def password(self, name: str) -> pulumi.Output[str]:
        """A generated password of 32 letters and digits, so that it stands in a URL as it is."""
        password = random.RandomPassword(name, length=32, special=False, opts=pulumi.ResourceOptions(parent=self))
        return password.result

    def put(self, name: str, value: pulumi.Input[str]) -> aws.secretsmanager.SecretVersion:
        """Stores `value` as the entry `<prefix><name>`; its ARN is in `arns`. The value is a secret in state."""
        secret = aws.secretsmanager.Secret(
            name,
            name=f"{self._prefix}{name}",
            kms_key_id=self.key.arn,
            recovery_window_in_days=self._recovery_days,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.arns[name] = secret.arn
        return aws.secretsmanager.SecretVersion(
            name,
            secret_id=secret.id,
            secret_string=pulumi.Output.secret(value),
            opts=pulumi.ResourceOptions(parent=self),
        )
