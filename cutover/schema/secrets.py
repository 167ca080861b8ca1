"""Reading a secret from the vault at the moment it is needed."""

from __future__ import annotations

from cutover import aws
from cutover.errors import CutoverError, UnreachableError


def secret_value(arn: str, *, region: str, emulator: str | None, patience: aws.Patience = aws.PATIENT) -> str:
    """The secret's text. On docker stacks `emulator` is the API's address, and the ARN's account its credential.

    Raises UnreachableError when nobody answers, CutoverError when it cannot be read; never with the value.
    """
    from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError

    account = aws.Account(account=arn.split(":")[4], region=region, emulator=emulator)
    vault = aws.client("secretsmanager", account, patience)
    try:
        value: str = vault.get_secret_value(SecretId=arn)["SecretString"]
    except (ConnectionError, HTTPClientError) as error:
        way_out = "make up starts it" if emulator else "look at the network and at proxies"
        raise UnreachableError(f"the vault that has {arn} does not answer ({error}): {way_out}") from None
    except (BotoCoreError, ClientError, KeyError) as error:
        raise CutoverError(f"secret {arn} cannot be read ({type(error).__name__}: {error})") from None
    return value
