"""nginx's file as a tree."""

from __future__ import annotations

import pytest

from infra.nginx import render
from policy.nginx import NginxError, parse
from tests.support.edge_configs import beside_an_app, on_docker


def test_quotes_comments_and_braces_are_read_as_nginx_reads_them() -> None:
    tree = parse("""map "$a $b" $c { # not; a { block
        "~^1;{" 'x y'; default "";
    }
    log_format edge '{"a":"$a",' '"b":1}'; return 200 "it\\"s"; if ($a ~ "^b{2}") { set $c ${d}e; }""")

    (outer,) = tree.own("map")
    assert (outer.args, [(one.name, list(one.args)) for one in outer.block]) == (
        ["$a $b", "$c"],
        [("~^1;{", ["x y"]), ("default", [""])],
    )
    assert [list(one.args) for one in tree.all("log_format")] == [["edge", '{"a":"$a",', '"b":1}']]
    assert [list(one.args) for one in tree.all("set")] == [["$c", "${d}e"]]


@pytest.mark.parametrize("text", ["http {", "http { a }", "}", ";", 'a "b', "a b"])
def test_what_is_no_file_of_nginx_is_refused(text: str) -> None:
    with pytest.raises(NginxError):
        parse(text)


@pytest.mark.parametrize("config", [on_docker(), beside_an_app()], ids=["docker", "fargate"])
def test_our_own_file_is_read_whole(config: object) -> None:
    tree = parse(render(config))  # type: ignore[arg-type]

    assert {"split_clients"} & {one.name for one in tree.all("split_clients")} == (
        {"split_clients"} if config == on_docker() else set()
    )
    assert len(list(tree.all("location"))) >= 7
    assert len(list(tree.all("proxy_set_header"))) >= 7
