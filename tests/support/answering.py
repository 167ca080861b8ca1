"""What answers over HTTP beside the alert queues: a webhook, and a vault."""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from webnext.vault import Vault

PREFIX = "web-next-test/"
FLAGS = "/web-next-test/flags"


class _Answers(BaseHTTPRequestHandler):
    def log_message(self, *_: object) -> None: ...

    def body(self) -> Any:
        return json.loads(self.rfile.read(int(self.headers["Content-Length"])))

    def answer(self, status: int, document: object, headers: Mapping[str, str] | None = None) -> None:
        content = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        try:
            self.wfile.write(content)
        except OSError:
            self.close_connection = True


class Server(ThreadingHTTPServer):
    """One that a burst finds: the standard one lets five callers wait, and the sixth comes again after a second."""

    daemon_threads = True
    request_queue_size = 1024


@contextmanager
def _serving(handler: type[BaseHTTPRequestHandler], address: str = "127.0.0.1") -> Iterator[str]:
    server = Server((address, 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://{address}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@dataclass
class Sink:
    """Slack, as far as a webhook is concerned. `status` and `seconds` are of the answers to come; `times` has when each
    message came, `busy` how many are not answered. With a `pace` one message is taken in so many seconds; the
    others are told to come again in a second, and `refused` counts them."""

    url: str = ""
    status: int = 200
    seconds: float = 0.0
    busy: int = 0
    pace: float = 0.0
    refused: int = 0
    messages: list[str] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    accepted: Counter[str] = field(default_factory=Counter)

    _free_at: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def full(self) -> bool:
        """Whether its pace has no room for a message now."""
        with self._lock:
            now = time.monotonic()
            if self.pace and now < self._free_at:
                return True
            self._free_at = now + self.pace
            return False

    def got(self, marker: str) -> int:
        """How often a message with `marker` was taken."""
        return sum(count for text, count in list(self.accepted.items()) if marker in text)


@contextmanager
def sink(address: str = "127.0.0.1") -> Iterator[Sink]:
    """A webhook at an address of this machine."""
    made = Sink()

    class Handler(_Answers):
        def do_POST(self) -> None:
            text = self.body()["text"]
            made.messages.append(text)
            made.times.append(time.monotonic())
            status = made.status
            made.busy += 1
            time.sleep(made.seconds)
            made.busy -= 1
            if made.full():
                made.refused += 1
                self.answer(429, {}, {"Retry-After": "1"})
                return
            if status == 200:
                made.accepted[text] += 1
            self.answer(status, {})

    with _serving(Handler, address) as url:
        made.url = f"{url}/services/{secrets.token_hex(8)}"
        yield made


@dataclass
class Secrets:
    """A Secrets Manager: in this process as a client, for others at `url`, where the flags parameter is, too."""

    values: dict[str, str]
    flags: dict[str, bool] = field(default_factory=dict)
    url: str = ""
    asked: Counter[str] = field(default_factory=Counter)

    def get_secret_value(self, *, SecretId: str) -> dict[str, Any]:  # noqa: N803
        name = SecretId.removeprefix(PREFIX)
        self.asked[name] += 1
        return {"SecretString": self.values[name]}

    @property
    def vault(self) -> Vault:
        return Vault(PREFIX, lambda: self)


@contextmanager
def secrets_manager(values: dict[str, str]) -> Iterator[Secrets]:
    made = Secrets(values)

    class Handler(_Answers):
        def do_POST(self) -> None:
            asked = self.body()
            name = asked.get("SecretId", asked.get("Name"))
            if name == FLAGS:
                self.answer(200, {"Parameter": {"Name": FLAGS, "Value": json.dumps(made.flags)}})
            elif name.removeprefix(PREFIX) in made.values:
                self.answer(200, made.get_secret_value(SecretId=name))
            else:
                self.answer(400, {"__type": "ResourceNotFoundException", "message": "there is no such secret"})

    with _serving(Handler) as url:
        made.url = url
        yield made
