"""The edge's configuration as text, in both runtimes."""

from __future__ import annotations

import hashlib
import re
from typing import Any

import jinja2
import pytest

from infra import nginx
from infra.nginx import EdgeConfig, render
from outputs.smoke import EdgeSummary
from tests.support.edge_configs import beside_an_app, on_docker

EDGES = pytest.mark.parametrize("config", [on_docker(), beside_an_app()], ids=["docker", "fargate"])


FILES = '~ "^/(?!api/).+[.](css|ico|js|png|svg|woff2)$"'


def lines(config: EdgeConfig) -> list[str]:
    return [line.strip() for line in render(config).splitlines()]


@pytest.mark.parametrize(("rate", "burst"), [(60, 10), (120, 0), (7, 25)])
def test_the_edge_has_the_limit_that_is_configured(rate: int, burst: int) -> None:
    told = lines(on_docker(rate_per_minute=rate, burst=burst))

    assert f"limit_req_zone $binary_remote_addr zone=api:10m rate={rate}r/m;" in told
    assert f"limit_req zone=api burst={burst} nodelay;" in told


@EDGES
def test_what_connections_take_at_most_fits_into_the_containers_memory(config: EdgeConfig) -> None:
    told = dict(line.rstrip(";").split(maxsplit=1) for line in lines(config) if line.startswith(("worker_", "large_")))
    open_ = int(told["worker_processes"]) * int(told["worker_connections"].partition(";")[0])
    each = nginx.TLS_KIB if config.tls else nginx.PLAIN_KIB

    assert open_ * each <= (config.memory - nginx.TMP_MIB - nginx.BESIDE_MIB) * 1024
    assert open_ // nginx.WORKERS > 2000, "of one client, in one worker"
    assert told["large_client_header_buffers"] == "2 8k", "what the figures were measured with"


def test_the_edge_of_a_machine_ends_tls_and_a_tasks_does_not() -> None:
    machine, task = lines(on_docker()), lines(beside_an_app())

    assert {"listen 8443 ssl;", "http2 on;", "ssl_protocols TLSv1.2 TLSv1.3;", "user www-data;"} <= set(machine)
    assert "listen 8080;" in task
    assert not [line for line in task if line.startswith(("ssl_", "http2", "user"))]
    assert (on_docker().listen, beside_an_app().listen) == (8443, 8080)


@EDGES
def test_a_request_that_failed_on_one_track_is_never_tried_on_another(config: EdgeConfig) -> None:
    assert "proxy_next_upstream off;" in lines(config)
    assert lines(config).count("proxy_pass http://$chosen;") == (6 if config.tls else 5)


@EDGES
def test_the_app_is_not_told_of_tracks_and_gets_the_address_that_nginx_believes(config: EdgeConfig) -> None:
    told = lines(config)

    assert 'proxy_set_header X-Web-Next-Track "";' in told
    assert "proxy_set_header X-Forwarded-For $remote_addr;" in told
    assert "proxy_set_header X-Real-IP $remote_addr;" in told


def test_each_of_a_hundred_buckets_has_one_percent() -> None:
    text = render(on_docker())
    buckets = re.search(r"split_clients \$bucket_key \$bucket \{(.*?)\}", text, re.DOTALL)

    assert buckets
    assert re.findall(r"1% (\d+);", buckets[1]) == [str(number) for number in range(99)]
    assert "* 99;" in buckets[1]


def test_without_a_split_the_track_is_the_tasks_own() -> None:
    told = lines(beside_an_app("candidate"))

    assert "set $chosen candidate;" in told
    assert not [line for line in told if "split_clients" in line or "web_next_bucket" in line or "$pinned" in line]


def test_a_browser_is_kept_on_its_bucket_where_that_is_set() -> None:
    pinned, free = render(on_docker()), render(on_docker(pinning="none"))

    assert "split_clients $bucket_key" in pinned
    assert "Secure; HttpOnly; SameSite=Lax" in pinned
    assert "split_clients $request_id" in free
    assert "Set-Cookie" not in free


def test_a_track_is_asked_for_by_trusted_callers_alone() -> None:
    callers = re.search(
        r"geo \$trusted_caller \{(.*?)\}", render(on_docker(trusted_callers=["10.0.0.1", "10.9.0.0/16"])), re.DOTALL
    )

    assert callers
    assert callers[1].split() == ["default", "0;", "10.0.0.1", "1;", "10.9.0.0/16", "1;"]


def test_a_forwarded_address_is_believed_of_trusted_proxies_alone() -> None:
    assert "set_real_ip_from 10.42.128.0/20;" in lines(beside_an_app())
    assert not [line for line in lines(on_docker()) if "real_ip" in line]


def test_the_log_is_in_memory_too_where_somebody_reads_it_and_is_held_against_what_was_answered() -> None:
    assert "access_log /var/log/edge/lines edge_counted buffer=16k flush=100ms;" in lines(on_docker())
    assert "access_log /dev/stdout edge buffer=4k flush=100ms;" in lines(on_docker())
    assert lines(on_docker()).count("stub_status;") == 1
    assert not [line for line in lines(beside_an_app()) if "/var/log" in line or "stub_status" in line]


def test_of_what_is_counted_nothing_is_a_callers_to_write() -> None:
    counted = re.search(r"log_format edge_counted (.*?);\n", render(on_docker()), re.DOTALL)

    assert counted
    assert {*re.findall(r"\$(\w+)", counted[1])} == {
        *("edge_instance", "track", "status", "answered_by", "mock", "traffic"),
        *("upstream_response_time", "upstream_header_time"),
    }


@EDGES
def test_what_the_gates_leave_out_is_believed_of_trusted_callers_alone(config: EdgeConfig) -> None:
    geos = {
        name: set(re.findall(r"(\S+) 1;", body))
        for name, body in re.findall(r"geo \$(\w+) \{(.*?)\}", render(config), re.DOTALL)
    }

    assert geos["trusted_caller"] == set(config.trusted_callers)
    assert geos["health_asker"] == {*config.trusted_callers, *config.trusted_proxies}
    assert "proxy_set_header X-Web-Next-Traffic $traffic;" in lines(config)


def test_a_template_that_names_what_is_not_there_is_an_error(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nginx.conf.j2").write_text("{{ rate_per_second }}")
    monkeypatch.setattr(nginx, "TEMPLATES", tmp_path)

    with pytest.raises(jinja2.UndefinedError, match="rate_per_second"):
        render(on_docker())


def test_what_a_record_says_of_the_edge_changes_with_its_configuration() -> None:
    first, second = (
        config.summary(url="https://localhost:8450", address="lb.test", authority="ca.pem", most=6, firewall=300)
        for config in (on_docker(), on_docker(burst=11))
    )

    assert first == EdgeSummary(
        url="https://localhost:8450",
        address="lb.test",
        authority="ca.pem",
        rate_per_minute=60,
        burst=10,
        config=hashlib.sha256(render(on_docker()).encode()).hexdigest(),
        most=6,
        firewall=300,
        hsts="max-age=0",
    )
    assert first.config != second.config


@EDGES
@pytest.mark.parametrize(
    "directive",
    [
        "limit_req_zone $binary_remote_addr zone=api:10m rate=60r/m;",
        "limit_req zone=api burst=10 nodelay;",
        "limit_req_status 429;",
        "server_tokens off;",
        "proxy_set_header X-Trace-ID $trace_id;",
    ],
)
def test_the_playbooks_directives_are_there(config: EdgeConfig, directive: str) -> None:
    assert directive in lines(config)


@EDGES
def test_no_track_tells_the_edge_how_to_answer(config: EdgeConfig) -> None:
    """A candidate that has the edge ask again would have two times in its line, and so none of the reader's."""
    [ignored] = [line.rstrip(";").split()[1:] for line in lines(config) if line.startswith("proxy_ignore_headers ")]

    assert {f"X-Accel-{name}" for name in ("Redirect", "Limit-Rate", "Buffering", "Charset")} <= {*ignored}
    assert "X-Accel-Expires" not in ignored, "which says that a file may be kept"


@EDGES
def test_each_location_that_leads_to_the_app_has_the_limit_of_its_kind(config: EdgeConfig) -> None:
    told = re.findall(r"location ([^{@]+) \{\s+(?:if [^}]*\}\s+)?(limit_req [^;]*);", render(config))

    assert dict(told) == {
        "/api/": "limit_req zone=api burst=10 nodelay",
        "= /api": "limit_req zone=api burst=10 nodelay",
        "= /api/alerts/webhook": "limit_req zone=webhook burst=60 nodelay",
        **dict.fromkeys(("/", FILES), "limit_req zone=pages burst=100 nodelay"),
    }


@EDGES
def test_the_expressions_of_the_maps_are_compiled(config: EdgeConfig) -> None:
    assert "pcre_jit on;" in [line.partition("  #")[0] for line in render(config).splitlines()]


def test_strict_transport_is_said_of_a_domain_and_taken_back_from_localhost() -> None:
    assert 'add_header Strict-Transport-Security "max-age=31536000" always;' in lines(beside_an_app())
    assert 'add_header Strict-Transport-Security "max-age=0" always;' in lines(on_docker())
    assert (beside_an_app().hsts, on_docker().hsts) == ("max-age=31536000", "max-age=0")


@pytest.mark.parametrize(("rate", "seconds"), [(60, 1), (120, 1), (45, 2), (1, 60)])
def test_retry_after_is_the_time_until_the_next_request_passes(rate: int, seconds: int) -> None:
    assert f'"429 " {seconds};' in render(on_docker(rate_per_minute=rate))
