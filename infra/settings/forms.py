"""The forms of what settings name: hosts, roles, and who is told of alarms. ASCII alone, for AWS takes no other."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

_LABEL = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_TOP = "[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?"
_ROLE = "[A-Za-z0-9_+=,.@-]"
_SITE = rf"(?-i:https)://(?:{_LABEL}\.)+{_TOP}(?::[0-9]+)?(?:/[^\s@<>\"]*)?"
_MAIL = rf"[^\s@/:;,<>()\[\]\"]+@(?:{_LABEL}\.)+{_TOP}"

DOMAIN = rf"(?:{_LABEL}\.)*{_TOP}"
"""A name in lower case. Its last label begins with a letter, as that of no address does."""
HOST = rf"(?:{_LABEL}\.)*{_LABEL}"
"""A name in lower case, or an IPv4 address."""
URL = rf"https?://{HOST}(?::[0-9]+)?(?:/[A-Za-z0-9_.~%+=:/-]*)?"
"""Where an API is: nothing in it ends a directive of nginx or of a page's policy."""
RoleArn = Annotated[str, Field(pattern=f"^arn:aws:iam::[0-9]{{12}}:role/(?:{_ROLE}+/)*{_ROLE}{{1,64}}$")]
"""One role: IAM reads * and ? in a policy as any."""
Hearer = Annotated[str, Field(pattern=rf"(?i)^(?:{_SITE}|{_MAIL})$")]
"""Who hears an alarm: an https URL or an e-mail address."""
Word = Annotated[str, Field(pattern=r"^[^\x00]+$")]
"""A word of a command."""
