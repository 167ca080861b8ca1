"""Docker containers: the one type of the docker package that takes more than a few lines."""

from __future__ import annotations

import io
import re
import tarfile
from typing import Any

from offline.standins.kind import Call, ConflictError, Kind, Properties, StandinError

URN_LABEL = "web-next.urn"
SECOND = 1_000_000_000
UNITS = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": SECOND, "m": 60 * SECOND, "h": 3600 * SECOND}
APPLIED = [
    "capabilities",
    "command",
    "destroyGraceSeconds",
    "dns",
    "entrypoints",
    "envs",
    "groupAdds",
    "healthcheck",
    "hostname",
    "hosts",
    "image",
    "init",
    "labels",
    "logDriver",
    "logOpts",
    "logs",
    "maxRetryCount",
    "memory",
    "memorySwap",
    "mustRun",
    "name",
    "networkMode",
    "networksAdvanced",
    "ports",
    "privileged",
    "readOnly",
    "removeVolumes",
    "restart",
    "rm",
    "securityOpts",
    "shmSize",
    "start",
    "stopSignal",
    "stopTimeout",
    "sysctls",
    "tmpfs",
    "uploads",
    "user",
    "volumes",
    "workingDir",
]
NOT_REPLACED = (
    "destroyGraceSeconds",
    "logs",
    "mustRun",
    "removeVolumes",
    "restart",
    "start",
)


def nanoseconds(text: str) -> int:
    """Returns a Go duration such as 1m30s or 500ms. Raises StandinError."""
    parts = re.findall(r"([\d.]+)(ns|us|ms|s|m|h)", text)
    if "".join(number + unit for number, unit in parts) != text:
        raise StandinError(f"duration {text!r} is not one: write it like 500ms, 10s or 1m30s")
    return int(sum(float(number) * UNITS[unit] for number, unit in parts))


def _healthcheck(check: Properties) -> Properties:
    times = {"interval": "Interval", "timeout": "Timeout", "startPeriod": "StartPeriod"}
    durations = {name: nanoseconds(check[key]) for key, name in times.items() if key in check}
    return {"Test": check["tests"], "Retries": check.get("retries", 0), **durations}


def _bind(volume: Properties) -> str:
    source = volume.get("volumeName") or volume.get("hostPath")
    return f"{source}:{volume['containerPath']}:{'ro' if volume.get('readOnly') else 'rw'}"


def _port(port: Properties) -> str:
    return f"{port['internal']}/{port.get('protocol', 'tcp')}"


def _endpoint(network: Properties) -> Properties:
    address = {"IPAMConfig": {"IPv4Address": network["ipv4Address"]}} if "ipv4Address" in network else {}
    return {"Aliases": network.get("aliases", []), **address}


def _restart(inputs: Properties) -> Properties:
    return {"Name": inputs.get("restart", "no"), "MaximumRetryCount": inputs.get("maxRetryCount", 0)}


def specification(inputs: Properties, labels: dict[str, str]) -> Properties:
    """Returns the body of the engine's create call; what isn't given stays the image's or the engine's."""
    ports = inputs.get("ports", [])
    bindings: dict[str, list[Properties]] = {_port(port): [] for port in ports}
    for port in ports:
        external = str(port.get("external", ""))
        bindings[_port(port)].append({"HostIp": port.get("ip", "127.0.0.1"), "HostPort": external})
    capabilities = inputs.get("capabilities", {})
    host = {
        "Binds": [_bind(volume) for volume in inputs.get("volumes", [])],
        "CapAdd": capabilities.get("adds"),
        "CapDrop": capabilities.get("drops"),
        "Dns": inputs.get("dns"),
        "ExtraHosts": [f"{entry['host']}:{entry['ip']}" for entry in inputs.get("hosts", [])],
        "GroupAdd": inputs.get("groupAdds"),
        "Init": inputs.get("init"),
        "LogConfig": {"Type": inputs.get("logDriver", "json-file"), "Config": inputs.get("logOpts", {})},
        "Memory": inputs.get("memory", 0) * 1024 * 1024,
        "MemorySwap": inputs.get("memorySwap", 0) * 1024 * 1024,
        "NetworkMode": inputs.get("networkMode"),
        "PortBindings": bindings,
        "Privileged": inputs.get("privileged", False),
        "ReadonlyRootfs": inputs.get("readOnly", False),
        "RestartPolicy": _restart(inputs),
        "SecurityOpt": inputs.get("securityOpts"),
        "ShmSize": inputs.get("shmSize", 0) * 1024 * 1024,
        "Sysctls": inputs.get("sysctls"),
        "Tmpfs": inputs.get("tmpfs"),
    }
    networks = inputs.get("networksAdvanced", [])
    body = {
        "Image": inputs["image"],
        "Cmd": inputs.get("command"),
        "Entrypoint": inputs.get("entrypoints"),
        "Env": inputs.get("envs"),
        "ExposedPorts": {_port(port): {} for port in ports},
        "Healthcheck": _healthcheck(inputs["healthcheck"]) if "healthcheck" in inputs else None,
        "Hostname": inputs.get("hostname"),
        "Labels": labels,
        "StopSignal": inputs.get("stopSignal"),
        "StopTimeout": inputs.get("stopTimeout"),
        "User": inputs.get("user"),
        "WorkingDir": inputs.get("workingDir"),
        "NetworkingConfig": {"EndpointsConfig": {net["name"]: _endpoint(net) for net in networks[:1]}},
    }
    if networks:
        host["NetworkMode"] = networks[0]["name"]
    body["HostConfig"] = {name: value for name, value in host.items() if value is not None}
    return {name: value for name, value in body.items() if value is not None}


def _upload(api: Any, identity: str, uploads: list[Properties]) -> None:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for upload in uploads:
            if "content" not in upload:
                raise StandinError(f"upload {upload['file']!r} has no content; the stand-in uploads content only")
            content = upload["content"].encode()
            entry = tarfile.TarInfo(upload["file"].lstrip("/"))
            entry.size = len(content)
            entry.mode = int(upload.get("permissions") or ("755" if upload.get("executable") else "644"), 8)
            tar.addfile(entry, io.BytesIO(content))
    api.put_archive(identity, "/", archive.getvalue())


def _running(call: Call) -> bool:
    return bool(call.inputs.get("mustRun", True) and call.inputs.get("start", True))


def create(call: Call) -> tuple[str, Properties]:
    """Creates and starts a container. What a killed create of the same resource left is removed first."""
    inputs, api = call.inputs, call.cloud.api
    if ignored := sorted(set(inputs) - set(APPLIED)):
        raise StandinError(f"container sets {', '.join(ignored)}, which the stand-in doesn't apply: leave it out")
    found = call.cloud.find("container", inputs["name"])
    if found is not None:
        owner = (found["Config"]["Labels"] or {}).get(URN_LABEL)
        if owner != call.urn:
            raise ConflictError("container", inputs["name"], owner)
        api.remove_container(found["Id"], force=True)
    given = {label["label"]: label["value"] for label in inputs.get("labels", [])}
    body = specification(inputs, {**given, URN_LABEL: call.urn})
    call.id = api.create_container_from_config(body, inputs["name"])["Id"]
    try:
        for network in inputs.get("networksAdvanced", [])[1:]:
            address = network.get("ipv4Address")
            api.connect_container_to_network(
                call.id, network["name"], aliases=network.get("aliases"), ipv4_address=address
            )
        if inputs.get("uploads"):
            _upload(api, call.id, inputs["uploads"])
        if inputs.get("start", True):
            api.start(call.id)
    except BaseException:
        api.remove_container(call.id, force=True)
        raise
    return call.id, _outputs(api.inspect_container(call.id))


def _outputs(found: Any) -> Properties:
    networks = found["NetworkSettings"]["Networks"]
    return {
        "networkDatas": [
            {"networkName": name, "ipAddress": data["IPAddress"], "gateway": data["Gateway"]}
            for name, data in networks.items()
        ],
        "exitCode": found["State"]["ExitCode"],
        "hostname": found["Config"]["Hostname"],
    }


def read(call: Call) -> Properties | None:
    """Returns the container as it is; a stopped one that must run counts as gone: `up` makes it anew."""
    found = call.cloud.find("container", call.id)
    if found is None or (_running(call) and not found["State"]["Running"]):
        return None
    config, host = found["Config"], found["HostConfig"]
    managed = [label["label"] for label in call.inputs.get("labels", [])]
    wanted_env = {entry.split("=", 1)[0] for entry in call.inputs.get("envs", [])}
    ports = [
        {
            "internal": int(port.split("/")[0]),
            "protocol": port.split("/")[1],
            "ip": binding["HostIp"],
            "external": binding["HostPort"],
        }
        for port, bindings in (host["PortBindings"] or {}).items()
        for binding in bindings
    ]
    return {
        **_outputs(found),
        "name": found["Name"].lstrip("/"),
        "image": found["Image"] if call.inputs.get("image", "").startswith("sha256:") else config["Image"],
        "labels": [{"label": k, "value": v} for k, v in (config["Labels"] or {}).items() if k in managed],
        "envs": [entry for entry in config["Env"] or [] if entry.split("=", 1)[0] in wanted_env],
        "ports": ports,
        "readOnly": host["ReadonlyRootfs"],
        "restart": host["RestartPolicy"]["Name"] or "no",
        "user": config["User"],
        "memory": host["Memory"] // (1024 * 1024),
    }


def update(call: Call) -> Properties:
    """Applies what can change on a running container."""
    call.cloud.api.update_container(call.id, restart_policy=_restart(call.inputs))
    return {}


def delete(call: Call) -> None:
    """Stops and removes the container; its named volumes stay."""
    if call.cloud.find("container", call.id):
        call.cloud.api.stop(call.id, timeout=call.inputs.get("destroyGraceSeconds", 10))
        call.cloud.api.remove_container(call.id, force=True, v=call.inputs.get("removeVolumes", True))


CONTAINER = Kind(
    type="docker:index/container:Container",
    outputs=("exitCode", "hostname", "networkDatas"),
    name="name",
    replace=tuple(key for key in APPLIED if key not in NOT_REPLACED),
    hidden=("envs", "uploads"),
    delete_first=True,
    create=create,
    read=read,
    update=update,
    delete=delete,
)
