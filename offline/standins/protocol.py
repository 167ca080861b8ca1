"""Pulumi's provider protocol, once for all packages: what every RPC does with a table of kinds."""

from __future__ import annotations

import functools
import importlib.util
import json
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.empty_pb2 import Empty
from pulumi.runtime.proto import plugin_pb2, provider_pb2_grpc
from pulumi.runtime.proto import provider_pb2 as pb

from offline.standins.kind import CANCELLED, Call, Kind, Package, Properties, StandinError
from offline.standins.values import UNKNOWN, changes, reconcile, to_python, to_struct

THREADS = 64
DEFAULTS = "__defaults"  # inputs that Check filled in, as the official plugins record them
Rpc = Callable[..., Any]


def one_line(error: BaseException, hidden: Iterable[str] = ()) -> str:
    """Returns the error on one line with the hidden texts masked."""
    said = getattr(error, "explanation", None) or error  # the Docker engine's own words, without the request
    text = " ".join(str(said).split()) or type(error).__name__
    if not isinstance(error, StandinError):
        text = f"{type(error).__name__}: {text}"
    for secret in sorted(hidden, key=len, reverse=True):
        text = text.replace(secret, "[secret]")
    return text


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _texts(item)
    elif len(str(value)) > 3:
        yield " ".join(str(value).split())


def _answers(rpc: Rpc) -> Rpc:
    """Turns an RPC's exceptions into the one line that the engine shows, without the resource's secrets."""

    @functools.wraps(rpc)
    def wrapped(self: Provider, request: Any, context: grpc.ServicerContext) -> Any:
        try:
            return rpc(self, request)
        except Exception as error:
            hidden = self.hidden(request)
            context.abort(grpc.StatusCode.UNKNOWN, one_line(error, hidden))

    return wrapped


class Provider(provider_pb2_grpc.ResourceProviderServicer):
    """Answers the engine for one package."""

    def __init__(self, package: Package, version: str) -> None:
        self.package, self.version, self.cloud = package, version, None
        self.standing: dict[str, str] = {}  # URN to id of what the state holds; "" before Diff has told the id

    def hidden(self, request: Any) -> Iterator[str]:
        """Yields the secret texts of a request: an error may quote them."""
        kind = self.package.kinds.get(getattr(request, "type", ""))
        structs = ("properties", "inputs", "news", "olds", "old_inputs")
        for struct in (getattr(request, name) for name in structs if kind and hasattr(request, name)):
            values = to_python(struct)
            yield from _texts([values.get(name) for name in kind.hidden] if kind else [])

    def kind(self, request: Any) -> Kind:
        token = request.urn.split("::")[2].rsplit("$", 1)[-1]
        try:
            return self.package.kinds[token]
        except KeyError:
            raise StandinError(
                f"{token} is not among the types the {self.package.name} stand-in knows; "
                "add it to the tables in offline/standins or use the official provider"
            ) from None

    def real(self, request: Any) -> Kind:
        """The kind, if it can exist outside a preview."""
        kind = self.kind(request)
        if kind.create is None:
            raise StandinError(
                f"{kind.type} exists in previews only: the emulator has no use for it; "
                "deploy it to AWS with the official provider"
            )
        if self.cloud is None:
            raise StandinError(
                f"the {self.package.name} provider's configuration is not known yet: make it of plain values"
            )
        return kind

    def GetPluginInfo(self, _request: Any, _context: Any) -> Any:
        return plugin_pb2.PluginInfo(version=self.version)

    def Handshake(self, _request: Any, _context: Any) -> Any:
        return pb.ProviderHandshakeResponse(accept_secrets=False, accept_resources=False)

    def Attach(self, _request: Any, _context: Any) -> Any:
        return Empty()

    @_answers
    def CheckConfig(self, request: Any) -> Any:
        return pb.CheckResponse(inputs=request.news)

    @_answers
    def DiffConfig(self, request: Any) -> Any:
        differs = list(changes(to_python(request.old_inputs), to_python(request.news)))
        return pb.DiffResponse(changes=pb.DiffResponse.DIFF_SOME if differs else pb.DiffResponse.DIFF_NONE)

    @_answers
    def Configure(self, request: Any) -> Any:
        prefix = f"{self.package.name}:config:"
        CANCELLED.clear()
        self.standing.clear()
        self.cloud = self.package.connect({key.removeprefix(prefix): value for key, value in request.variables.items()})
        return pb.ConfigureResponse(acceptSecrets=False, supportsPreview=True, acceptResources=False)

    @_answers
    def Check(self, request: Any) -> Any:
        kind, answer = self.kind(request), pb.CheckResponse(inputs=request.news)
        inputs = answer.inputs.fields
        if request.olds.fields:
            self.standing.setdefault(request.urn, "")
        if kind.name and kind.name not in inputs:
            olds = to_python(request.olds)
            reused = olds.get(kind.name) if kind.name in olds.get(DEFAULTS, []) else None
            suffix = (request.randomSeed or os.urandom(4)).hex()[:7]
            inputs[kind.name].string_value = reused or f"{request.urn.split('::')[-1]}-{suffix}"
            inputs[DEFAULTS].list_value.values.add().string_value = kind.name
        if kind.tags and inputs["tags"].string_value != UNKNOWN:
            tags = inputs["tags"].struct_value.fields
            for key, value in getattr(self.cloud, "default_tags", {}).items():
                if key not in tags:
                    tags[key].string_value = value
            if not tags:
                del inputs["tags"]
        return answer

    @_answers
    def Diff(self, request: Any) -> Any:
        kind, olds, news = self.kind(request), to_python(request.old_inputs), to_python(request.news)
        self.standing[request.urn] = request.id
        fixed_name = kind.name and olds.get(kind.name) == news.get(kind.name) and DEFAULTS not in news
        for ignored in (DEFAULTS, *request.ignoreChanges):
            olds.pop(ignored, None)
            news.pop(ignored, None)
        detailed, replaces = {}, []
        for path, how in changes(olds, news):
            top = path.split("[")[0].split(".")[0]
            if top in kind.replace:
                replaces.append(top)
                how += "_REPLACE"
            detailed[path] = pb.PropertyDiff(kind=pb.PropertyDiff.Kind.Value(how), inputDiff=True)
        return pb.DiffResponse(
            changes=pb.DiffResponse.DIFF_SOME if detailed else pb.DiffResponse.DIFF_NONE,
            replaces=sorted(set(replaces)),
            deleteBeforeReplace=bool(replaces) and bool(kind.delete_first or fixed_name),
            detailedDiff=detailed,
            hasDetailedDiff=True,
        )

    @_answers
    def Create(self, request: Any) -> Any:
        if request.preview:
            answer = pb.CreateResponse(properties=request.properties)
            fields = answer.properties.fields
            fields.pop(DEFAULTS, None)
            for name in self.kind(request).outputs:
                if name not in fields:
                    fields[name].string_value = UNKNOWN
            return answer
        inputs = _without_defaults(to_python(request.properties))
        kind = self.real(request)
        if kind.create is None:
            raise AssertionError
        replaces = self.standing.get(request.urn)
        identity, outputs = kind.create(Call(cloud=self.cloud, urn=request.urn, inputs=inputs, replaces=replaces))
        return pb.CreateResponse(id=identity, properties=to_struct({**inputs, **outputs}, kind.hidden))

    @_answers
    def Read(self, request: Any) -> Any:
        kind, inputs, state = self.real(request), to_python(request.inputs), to_python(request.properties)
        mine = _without_defaults(inputs)
        seen = kind.read(Call(cloud=self.cloud, urn=request.urn, id=request.id, inputs=mine, state=state))
        if seen is None:
            return pb.ReadResponse()
        outputs = {name: seen[name] for name in kind.outputs if name in seen}
        gone = {name for name, value in mine.items() if value and seen.get(name, value) is None}
        found = {name: reconcile(value, seen.get(name, value)) for name, value in mine.items() if name not in gone}
        kept = {name: value for name, value in state.items() if name not in mine}
        defaults = {DEFAULTS: inputs[DEFAULTS]} if DEFAULTS in inputs else {}
        return pb.ReadResponse(
            id=request.id,
            properties=to_struct({**kept, **outputs, **found}, kind.hidden),
            inputs=to_struct({**found, **defaults}),
        )

    @_answers
    def Update(self, request: Any) -> Any:
        kind, state = self.kind(request), to_python(request.olds)
        news, olds = (_without_defaults(to_python(s)) for s in (request.news, request.old_inputs))
        kept = {name: state[name] for name in kind.outputs if name in state}
        if request.preview:
            known = {name: UNKNOWN if name in kind.changing else value for name, value in kept.items()}
            return pb.UpdateResponse(properties=to_struct({**known, **news}, kind.hidden))
        kind = self.real(request)
        call = Call(cloud=self.cloud, urn=request.urn, id=request.id, inputs=news, old=olds, state=state)
        return pb.UpdateResponse(properties=to_struct({**kept, **news, **kind.update(call)}, kind.hidden))

    @_answers
    def Delete(self, request: Any) -> Any:
        kind, olds = self.real(request), _without_defaults(to_python(request.old_inputs))
        state = to_python(request.properties)
        kind.delete(Call(cloud=self.cloud, urn=request.urn, id=request.id, inputs=olds, state=state))
        return Empty()

    @_answers
    def Invoke(self, request: Any) -> Any:
        raise StandinError(f"{request.tok}: stand-ins answer no function calls; pass the value as configuration")

    def Cancel(self, _request: Any, _context: Any) -> Any:
        CANCELLED.set()
        return Empty()


def _without_defaults(properties: Properties) -> Properties:
    return {name: value for name, value in properties.items() if name != DEFAULTS}


def version_of(package: str) -> str:
    """Returns the version that the installed pulumi_<package> SDK asks its plugin to have."""
    spec = importlib.util.find_spec(f"pulumi_{package}")
    if spec is None or spec.origin is None:
        raise StandinError(f"pulumi_{package} is not installed here: run the project's own environment's python")
    return str(json.loads((Path(spec.origin).parent / "pulumi-plugin.json").read_text())["version"])


def serve(package: Package) -> None:
    """Prints the port and answers until a signal or the end of stdin, which is the engine's death."""
    done = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):  # a background shell starts its children with SIGINT ignored
        signal.signal(name, lambda *_: done.set())
    unlimited = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    server = grpc.server(ThreadPoolExecutor(THREADS), options=unlimited)
    provider = Provider(package, version_of(package.name))
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(provider, server)
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    server.start()

    def until_stdin_ends() -> None:
        while os.read(0, 4096):
            pass
        done.set()

    threading.Thread(target=until_stdin_ends, daemon=True).start()
    done.wait()
    os._exit(0)  # not through the thread pool, which would wait for calls in flight
