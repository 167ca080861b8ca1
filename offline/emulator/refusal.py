"""The emulator's no: why a request is not answered, as every AWS client reads it."""

from __future__ import annotations

import json
from xml.sax.saxutils import escape

Answer = tuple[int, dict[str, str], bytes]


class NotAdmittedError(Exception):
    """A request that is not answered. One line: the value seen and the rule. `code` is AWS' name of the reason."""

    def __init__(self, reason: str, code: str = "AccessDenied") -> None:
        super().__init__(reason)
        self.code = code

    def answer(self, *, as_json: bool = False) -> Answer:
        """Status, headers and body, in the words of AWS' XML or JSON protocols."""
        status = 400 if self.code in ("EntityTooLarge", "InvalidRequest") else 403
        if as_json:
            body = json.dumps({"__type": f"{self.code}Exception", "message": str(self)})
            return status, {"Content-Type": "application/x-amz-json-1.1"}, body.encode()
        body = (
            f"<ErrorResponse><Error><Type>Sender</Type><Code>{self.code}</Code>"
            f"<Message>{escape(str(self))}</Message></Error></ErrorResponse>\n"
        )
        return status, {"Content-Type": "text/xml"}, body.encode()
