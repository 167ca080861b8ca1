"""Names and ARNs of a stack's resources, known before anything exists, so that previews and policies show them."""

from __future__ import annotations

from dataclasses import dataclass

SERVICE = "web-next"


@dataclass(frozen=True, kw_only=True)
class Names:
    """What this stack's resources are called, from the stack's name, account and region alone."""

    stack: str
    account: str
    region: str

    @property
    def prefix(self) -> str:
        """The start of every name: `web-next-<stack>`."""
        return f"{SERVICE}-{self.stack}"

    @property
    def app_role(self) -> str:
        """The IAM role the app runs as; the playbook calls it web-next-prod."""
        return self.prefix

    @property
    def app_role_arn(self) -> str:
        return f"arn:aws:iam::{self.account}:role/{self.app_role}"

    def bucket(self, purpose: str) -> str:
        """A bucket's name; the account makes it unique among all of S3."""
        return f"{self.prefix}-{purpose}-{self.account}"

    @property
    def vault_prefix(self) -> str:
        """What every secret's name starts with; the app gets it as VAULT_PREFIX."""
        return f"{self.prefix}/"

    def secret_arns(self, name: str) -> str:
        """Pattern for a secret's ARN: Secrets Manager adds six random characters."""
        return f"arn:aws:secretsmanager:{self.region}:{self.account}:secret:{self.vault_prefix}{name}-??????"

    @property
    def flags_parameter(self) -> str:
        """The SSM parameter that holds the flags in force."""
        return f"/{self.prefix}/flags"
