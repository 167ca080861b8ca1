"""Cases of the rules on nginx: lines of its file taken away or weakened, and others beside its own in its log."""

from __future__ import annotations

import json
from collections.abc import Sequence

from tests.unit.policy import captured
from tests.unit.policy.case import Case
from tests.unit.policy.changes import Change, gone, hide, put, rewrite, told, untold

IN_A_TASK, ON_A_MACHINE = ("TaskDefinition stable", "containerDefinitions"), ("EdgeFiles edge", "config")


def line(old: str, new: str = "") -> Change:
    """Another text in nginx's file beside the app, which is within JSON."""
    return rewrite(*IN_A_TASK, *(json.dumps(text)[1:-1] for text in (old, new)))


def line_of_candidate(old: str, new: str) -> Change:
    """The same in a candidate's stack."""
    return rewrite("TaskDefinition candidate", IN_A_TASK[1], *(json.dumps(text)[1:-1] for text in (old, new)))


def here(old: str, new: str = "") -> Change:
    """Another text in nginx's file on this machine."""
    return rewrite(*ON_A_MACHINE, old, new)


def at_both(rule: str, *lines: tuple[str, str], machine: Sequence[Change] = ()) -> list[Case]:
    """The cases of a rule for the same lines in a task and on a machine, and for some on a machine alone."""
    return [
        Case(rule=rule, at="stable", bad=[line(*one) for one in lines], unknown=hide(*IN_A_TASK)),
        Case(
            rule=rule,
            at="edge",
            stack=captured.local,
            bad=[*(here(*one) for one in lines), *machine],
            unknown=hide(*ON_A_MACHINE),
        ),
    ]


CASES = [
    *at_both(
        "edge-readable", ("events {", "events "), ("    server {\n        listen", "    upstream {\n        listen")
    ),
    *at_both(
        "edge-limited",
        ("limit_req_zone $binary_remote_addr", "limit_req_zone $server_name"),
        ("zone=api:10m", "zone=api:16k"),
        ("rate=60r/m", "rate=6000r/m"),
        ("burst=10 nodelay", "burst=1000 nodelay"),
        ("rate=120r/m", "rate=6000r/m"),
        ("burst=60 nodelay", "burst=1000 nodelay"),
        ("rate=1200r/m", "rate=60000r/m"),
        ("limit_conn requests 100;", ""),
        ("limit_req zone=pages", "# limit_req zone=pages"),
        ("limit_req_status 429", "limit_req_status 503"),
        ("    limit_req_status 429;", ""),
        ("limit_req zone=api burst=10 nodelay;", ""),
        ("limit_req zone=api burst=10 nodelay;", "limit_req zone=api burst=10 nodelay; limit_req_dry_run on;"),
        ("location /api/ {", "location /app/ {"),
        (
            "location /api/ {",
            "location ~ ^/api/ { limit_req zone=pages burst=100 nodelay; proxy_pass http://$chosen; } location /api/ {",
        ),
        ("limit_req zone=api burst=10 nodelay;", "limit_req zone=pages burst=100 nodelay;"),
        ("limit_req zone=pages burst=100", "limit_req zone=pages burst=100000"),
        ("limit_req_zone $page_reader", "limit_req_zone $nothing"),
        ('1 "";\n        default $binary_remote_addr;', '1 "";\n        default "";'),
        ("limit_conn_zone $binary_remote_addr zone=requests", "limit_conn_zone $request_id zone=requests"),
        ("limit_conn_zone $large", "limit_conn_zone $request_id"),
        ("limit_conn all_bodies 192;", ""),
        ("limit_conn_status 429", "limit_conn_status 503"),
        ("location /api/ {", "location /api/ { limit_conn requests 100000;"),
    ),
    *at_both(
        "edge-trusts-few",
        ("geo $trusted_caller {\n        default 0;", "geo $trusted_caller {\n        default 1;"),
        ("geo $trusted_caller {", "geo $http_x_real_ip $trusted_caller {"),
        ("geo $health_asker {\n        default 0;", "geo $health_asker {\n        default 1;"),
        machine=[
            here('"1 candidate" candidate', '"0 candidate" candidate'),
            here('map "$trusted_caller $http', 'map "1 $http'),
        ],
    ),
    Case(
        rule="edge-trusts-few",
        at="stable",
        bad=[
            line("set_real_ip_from 10.42.128.0/20;", "set_real_ip_from 0.0.0.0/0;"),
            line("set_real_ip_from 10.42.128.0/20;", "set_real_ip_from 203.0.113.0/24;"),
            line("real_ip_recursive on;", ""),
            line("real_ip_header X-Forwarded-For", "real_ip_header X-Client-IP"),
            told("web-next:edge", json.dumps({"trustedCallers": []})),
        ],
        unknown=untold("web-next:access"),
    ),
    *at_both(
        "edge-as-access",
        ("if ($refused) {\n            return 403;", "if ($refused) {\n            return 200;"),
        ("if ($refused) {", "if ($arg_x) { break; } if ($refused) {"),
        ("if ($refused) {", 'set $refused ""; if ($refused) {'),
        ("return 403;\n        }", "return 403;\n        }\n        set $stranger 0;"),
        ("default $unlisted;", "default 0;"),
        ("default $stranger;", "default 0;"),
        ("default 1;\n        01 0;", "default 0;\n        01 0;"),
        ("default $may_all;", "default 1;"),
        ("geo $may_webhook {", "geo $http_x_real_ip $may_webhook {"),
        ("    server_tokens off;", "    server_tokens off; include /tmp/more.conf;"),
    ),
    Case(
        rule="edge-as-access",
        at="stable",
        bad=[
            line("geo $may_console {\n        default 0;", "geo $may_console {\n        default 1;"),
            line("geo $may_webhook {", "geo $webhook {"),
            told("web-next:access", json.dumps({"clients": ["198.51.100.0/25"]})),
            told("web-next:access", json.dumps({"clients": ["198.51.100.0/24"], "auditPush": ["192.0.2.0/24"]})),
        ],
        unknown=untold("web-next:access"),
    ),
    Case(
        rule="edge-as-access",
        at="candidate",
        stack=captured.canary,
        bad=[line_of_candidate("geo $may_console {\n        default 0;", "geo $may_console {\n        default 1;")],
        unknown=gone("StackReference prod"),
    ),
    *at_both(
        "edge-tls",
        ("listen", "ssl_protocols TLSv1; listen"),
        machine=[
            here("8443 ssl", "8443"),
            here("ssl_protocols TLSv1.2", "ssl_protocols TLSv1.1 TLSv1.2"),
            here("ssl_ciphers ", "ssl_ciphers ECDHE-RSA-AES128-SHA256:"),
            here("ssl_ciphers ", "# ssl_ciphers "),
        ],
    ),
    *at_both(
        "edge-hides-and-guards",
        ("server_tokens off;", ""),
        ("add_header X-Frame-Options", "# add_header X-Frame-Options"),
        ('proxy_set_header X-Web-Next-Track "";', ""),
        ("X-Forwarded-For $remote_addr", "X-Forwarded-For $proxy_add_x_forwarded_for"),
        ("proxy_set_header X-Real-IP $remote_addr;", ""),
        ("X-Real-IP $remote_addr", "X-Real-IP $http_x_real_ip"),
        ("X-Real-IP $remote_addr;", "X-Real-IP $remote_addr; proxy_set_header x-real-ip $http_x_real_ip;"),
        ("location / {", "location / { proxy_set_header X-A b;"),
        ("location /api/ {", "location /api/ { add_header X-A b;"),
        ("1 $marked;", "default $marked;"),
        ("proxy_next_upstream off", "proxy_next_upstream error"),
        ("client_max_body_size 256k", "client_max_body_size 0"),
        ("client_max_body_size 256k", "client_max_body_size 1m"),
        ("absolute_redirect off", "absolute_redirect on"),
        ("error_page 400 414", "error_page 414"),
        machine=[here("client_max_body_size 16k;"), here("client_max_body_size 16k", "client_max_body_size 256k")],
    ),
    *at_both(
        "edge-logged",
        ("access_log /dev/stdout edge", "access_log /dev/null edge"),
        ("limit_req zone=api", "access_log off; limit_req zone=api"),
        ("flush=100ms;", "flush=100ms if=$asked;"),
        ("location /api/ {", "location /api/ { access_log /dev/null edge;"),
        ('"status":$status,', ""),
        machine=[
            here("access_log /var/log/edge/lines edge_counted buffer=16k flush=100ms;"),
            here("/var/log/edge/lines edge_counted", "/dev/null edge_counted"),
        ],
    ),
    Case(
        rule="containers-logs-apart",
        at="stable",
        bad=[
            rewrite(*IN_A_TASK, "/stable-edge", "/stable-app"),
            rewrite(*IN_A_TASK, "/stable-app", "/stable-worker"),
            rewrite("TaskDefinition worker", "containerDefinitions", "/stable-worker", "/stable-edge"),
        ],
        unknown=hide("TaskDefinition worker", "containerDefinitions"),
    ),
    Case(
        rule="containers-logs-apart",
        at="candidate",
        stack=captured.canary,
        bad=[rewrite("TaskDefinition candidate", "containerDefinitions", "/candidate-edge", "/candidate-app")],
        unknown=hide("TaskDefinition candidate", "containerDefinitions"),
    ),
    Case(
        rule="containers-logs-apart",
        at="tracks-stable-EdgeRequests",
        bad=[
            put("LogMetricFilter tracks-stable-EdgeRequests", "logGroupName", "/ecs/web-next-test/stable-app"),
            rewrite(*IN_A_TASK, "/stable-app", "/stable-edge"),
        ],
        unknown=hide("LogMetricFilter tracks-stable-EdgeRequests", "logGroupName"),
    ),
]
