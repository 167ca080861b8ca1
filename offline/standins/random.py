"""The random package: values made once and kept in state."""

from __future__ import annotations

import base64
import secrets
import string

from offline.standins.kind import Call, Kind, Package, Properties

SPECIAL = "!@#$%&*()-_=+[]{}<>:?"
_CLASSES = {
    "lower": ("minLower", string.ascii_lowercase),
    "upper": ("minUpper", string.ascii_uppercase),
    "numeric": ("minNumeric", string.digits),
    "special": ("minSpecial", SPECIAL),
}


def text(inputs: Properties) -> str:
    """Returns a random text with the length, alphabet and least counts that the inputs ask for."""
    required: list[str] = []
    alphabet = ""
    for name, (least, letters) in _CLASSES.items():
        chosen = inputs.get("overrideSpecial", letters) if name == "special" else letters
        if inputs.get(name, True):
            alphabet += chosen
        required += [secrets.choice(chosen) for _ in range(inputs.get(least, 0))]
    letters_left = max(0, inputs["length"] - len(required))
    result = required + [secrets.choice(alphabet) for _ in range(letters_left)]
    secrets.SystemRandom().shuffle(result)
    return "".join(result)


def _password(call: Call) -> tuple[str, Properties]:
    return "none", {"result": text(call.inputs)}


def _string(call: Call) -> tuple[str, Properties]:
    result = text(call.inputs)
    return result, {"result": result}


def _id(call: Call) -> tuple[str, Properties]:
    raw, prefix = secrets.token_bytes(call.inputs["byteLength"]), call.inputs.get("prefix", "")
    url = base64.urlsafe_b64encode(raw).decode().rstrip("=")
    forms = {
        "b64Url": url,
        "b64Std": base64.b64encode(raw).decode(),
        "hex": raw.hex(),
        "dec": str(int.from_bytes(raw, "big")),
    }
    return url, {name: prefix + form for name, form in forms.items()}


TEXT_INPUTS = (
    "keepers",
    "length",
    "number",
    "overrideSpecial",
    *_CLASSES,
    *(least for least, _ in _CLASSES.values()),
)

KINDS = (
    Kind(
        type="random:index/randomPassword:RandomPassword",
        outputs=("result",),
        hidden=("result",),
        replace=TEXT_INPUTS,
        create=_password,
    ),
    Kind(
        type="random:index/randomString:RandomString",
        outputs=("result",),
        replace=TEXT_INPUTS,
        create=_string,
    ),
    Kind(
        type="random:index/randomId:RandomId",
        outputs=("b64Std", "b64Url", "dec", "hex"),
        replace=("byteLength", "keepers", "prefix"),
        create=_id,
    ),
)

PACKAGE = Package(name="random", kinds={kind.type: kind for kind in KINDS}, connect=dict)
