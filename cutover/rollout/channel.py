"""The channel in which people are told: the webhook that the vault holds under SLACK_WEBHOOK_URL."""

from __future__ import annotations

from cutover.errors import CutoverError, UnreachableError
from outputs.smoke import Places

SECONDS = 3.0


def post(secret: str, places: Places, said: str) -> None:
    """Posts a text to the webhook that the vault holds as `secret`, an ARN; nothing in it can mention anybody.

    Raises UnreachableError, never with the webhook's address, when vault or channel do not take it within SECONDS each.
    """
    import httpx

    url = _webhook(secret, places)
    escaped = said.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    try:
        answer = httpx.post(url, json={"text": escaped}, timeout=SECONDS, trust_env=places.emulator is None)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise _untold(f"{type(error).__name__}: {str(error).replace(url, 'its address')}") from None
    if not answer.is_success:
        raise _untold(f"it answered with status {answer.status_code}")


def _webhook(secret: str, places: Places) -> str:
    from cutover import aws
    from cutover.schema.secrets import secret_value

    try:
        return secret_value(secret, region=places.region, emulator=places.emulator, patience=aws.HURRIED)
    except CutoverError as error:
        raise UnreachableError(str(error)) from None


def _untold(why: str) -> UnreachableError:
    return UnreachableError(f"nobody was told, the channel did not take it ({why}): see SLACK_WEBHOOK_URL in the vault")
