"""What can be seen without AWS: the environment, the stack's file, and the tools of this machine."""

from __future__ import annotations

import os
import shutil

from cutover.errors import NotPreparedError
from cutover.prerequisites.facts import Facts, MissingError
from cutover.stacks.project import pulumi_home, require_prepared
from outputs import partition
from outputs.placeholders import placeholders_in

PLUGIN = "session-manager-plugin"
STATE = "web-next-state"
"""What `bootstrap/` calls the bucket and the key of the state; others of the account's may take their place."""


def environment(facts: Facts) -> str:
    """Pulumi's own home, with its official providers."""
    try:
        require_prepared(facts.stack)
    except NotPreparedError as error:
        raise MissingError(str(error), "a shell without .local/env, with PULUMI_BACKEND_URL") from None
    return str(pulumi_home())


def region(facts: Facts) -> str:
    """The region is of the partition that stacks are made for."""
    if refused := partition.refusal(facts.region):
        raise MissingError(refused, f"put a region of partition aws into Pulumi.{facts.stack}.yaml")
    return facts.region


def state(facts: Facts) -> str:
    """The state is in a bucket, where a team finds it and every version is kept."""
    backend = os.environ.get("PULUMI_BACKEND_URL", "")
    if not backend.startswith("s3://"):
        raise MissingError(
            f"PULUMI_BACKEND_URL is {backend or 'not set'}: a laptop's state is lost with it",
            f"cutover bootstrap makes a versioned bucket; then export PULUMI_BACKEND_URL="
            f"'s3://{STATE}-{facts.account}?region={facts.region}'",
        )
    return backend


def secrets_provider(facts: Facts) -> str:
    """Secrets in the state are under a key of AWS, whose use is granted and logged, and not under a passphrase."""
    provider = str(facts.file.get("secretsprovider", "a passphrase" if "encryptionsalt" in facts.file else ""))
    if not provider.startswith("awskms://"):
        wanted = f"'awskms://alias/{STATE}?region={facts.region}'"
        change = f"pulumi stack change-secrets-provider {wanted} -s {facts.stack}"
        begin = f"pulumi stack init {facts.stack} --secrets-provider {wanted}"
        raise MissingError(
            f"secrets are under {provider or 'nothing yet: there is no stack'}",
            f"{change if provider else begin}, and commit the file",
        )
    return provider


def real_values(facts: Facts) -> str:
    """The file holds nobody's placeholders."""
    if unreal := placeholders_in(facts.settings):
        raise MissingError(
            f"placeholders: {', '.join(unreal)}",
            f"put the real values into Pulumi.{facts.stack}.yaml and commit; image and edge.image are later until they "
            "are pushed",
        )
    return "no placeholder"


def plugin(facts: Facts) -> str:
    """The tunnel to the database can be opened."""
    if facts.section("database").get("access") == "direct":
        return "not needed: database.access is direct"
    found = shutil.which(PLUGIN)
    if found is None:
        raise MissingError(
            f"{PLUGIN} is not on PATH", f"install {PLUGIN}, AWS has a package; the tunnel goes through it"
        )
    return found
