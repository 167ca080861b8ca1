"""What AWS says of the account: who asks, what keeps the state, who operates, and whose the console's name is."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from cutover.prerequisites.facts import Facts, MissingError

DEPLOYER = "web-next-deploy"
"""What `bootstrap/` calls the role that deploys; one of the account's own may take its place."""


def credentials(facts: Facts) -> str:
    """The credentials are the account's, and name no other region."""
    who = facts.caller
    if who["Account"] != facts.account:
        raise MissingError(
            f"the credentials are of account {who['Account']}, and the file names {facts.account}",
            f"the credentials of a role of account {facts.account}",
        )
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        if (other := os.environ.get(name, facts.region)) != facts.region:
            raise MissingError(f"{name} is {other}, and the file names {facts.region}", f"export {name}={facts.region}")
    return str(who["Arn"])


def state_bucket(facts: Facts) -> str:
    """Each version of the state is kept: a broken one is taken back by it."""
    name = urlsplit(os.environ["PULUMI_BACKEND_URL"]).netloc
    status = facts.client("s3").get_bucket_versioning(Bucket=name).get("Status", "never switched on")
    if status != "Enabled":
        raise MissingError(
            f"versioning of {name} is {status}",
            f"aws s3api put-bucket-versioning --bucket {name} --versioning-configuration Status=Enabled",
        )
    return f"{name}, versioned"


def secrets_key(facts: Facts) -> str:
    """The key of the state's secrets can be used."""
    provider = urlsplit(str(facts.file["secretsprovider"]))
    key = f"{provider.netloc}{provider.path}".lstrip("/")
    found = facts.client("kms").describe_key(KeyId=key)["KeyMetadata"]
    if found["KeyState"] != "Enabled":
        raise MissingError(f"key {key} is {found['KeyState']}", f"aws kms enable-key --key-id {found['KeyId']}")
    return str(found["Arn"])


def operators(facts: Facts) -> str:
    """Whoever asks is one of the operators, and each of them exists: S3 refuses a policy that names a stranger."""
    roles = [str(arn) for arn in facts.settings.get("operatorRoles") or ()]
    arn = str(facts.caller["Arn"])
    kind, _, rest = arn.rpartition(":")[2].partition("/")
    if kind != "assumed-role":
        raise MissingError(f"{arn} is no role: an operator is one", f"take on the deployer's, {_deployer(facts)}")
    own = rest.partition("/")[0]
    iam = facts.client("iam")
    for role in roles:
        name = role.rpartition("/")[2]
        try:
            real = iam.get_role(RoleName=name)["Role"]["Arn"]
        except iam.exceptions.NoSuchEntityException:
            raise MissingError(f"role {role} does not exist", f"{_makes(name)}, or correct operatorRoles") from None
        if real != role:
            raise MissingError(f"operatorRoles has {role}, and the role is {real}", f"put {real} into operatorRoles")
    if own not in {role.rpartition("/")[2] for role in roles}:
        raise MissingError(
            f"role {own} deploys and is not among operatorRoles: it could not read what it makes",
            f"{_deployer(facts)}, or add its ARN to operatorRoles, aws iam get-role --role-name {own} --query Role.Arn",
        )
    return f"{len(roles)} roles, {own} among them"


def _deployer(facts: Facts) -> str:
    return f"aws sts assume-role --role-arn arn:aws:iam::{facts.account}:role/{DEPLOYER} --role-session-name ME"


def _makes(role: str) -> str:
    return "cutover bootstrap makes it" if role.startswith("web-next-") else f"make role {role}"


def console_name(facts: Facts) -> str:
    """A certificate for the console's name is there, or can be issued in its zone."""
    domain, given = str(facts.settings["domain"]), facts.section("fargate")
    if arn := given.get("certificateArn"):
        found = facts.client("acm").describe_certificate(CertificateArn=arn)["Certificate"]
        names = {found["DomainName"], *found.get("SubjectAlternativeNames", ())}
        if found["Status"] != "ISSUED":
            raise MissingError(f"the certificate is {found['Status']}", f"have it issued: {arn}")
        if not names & {domain, f"*.{domain.partition('.')[2]}"}:
            raise MissingError(
                f"the certificate is for {', '.join(sorted(names))}, not for {domain}",
                f"name a certificate for {domain} in fargate.certificateArn",
            )
        return f"a certificate for {domain}"
    if not (asked := given.get("hostedZoneId")):
        raise MissingError(
            "fargate names neither a zone nor a certificate", "set fargate.hostedZoneId, or certificateArn"
        )
    zone = facts.client("route53").get_hosted_zone(Id=asked)["HostedZone"]
    name, private = zone["Name"].rstrip("."), zone["Config"]["PrivateZone"]
    if private or not f".{domain}".endswith(f".{name}"):
        raise MissingError(
            f"fargate.hostedZoneId is the {'private' if private else 'public'} zone {name}, and domain is {domain}",
            f"put the id of the public zone that has {domain} into fargate.hostedZoneId",
        )
    return f"a certificate can be issued in {name}"
