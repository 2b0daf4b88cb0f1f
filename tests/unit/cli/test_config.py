"""`ocicat config`, and how `ocicat flows` writes a port."""

import json

import pytest
from click.testing import CliRunner

from ocicat.cli.config import config
from ocicat.cli.flows import _port


def run(*words, **variables):
    return CliRunner().invoke(config, words, env={"OCICAT_HOME": "/nowhere", **variables})


def test_what_differs_from_the_defaults_is_shown_with_what_says_so(tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text("agent: {denial: reject}\n")
    done = run("--config", str(file), OCICAT_UP_NODES="3")
    assert set(done.output.splitlines()) == {
        "home = '/nowhere'  (OCICAT_HOME)",
        "agent.denial = 'reject'  (file)",
        "up.nodes = 3  (OCICAT_UP_NODES)",
    }


def test_all_of_them_as_json():
    rows = {row["path"]: row for row in json.loads(run("--all", "-o", "json").output)}
    assert rows["up.console_port"]["value"] == 8081
    assert rows["up.console_port"]["origin"] == "default"
    assert "loopback" in rows["up.console_port"]["meaning"]


def test_a_value_that_cannot_be_is_refused():
    done = run(OCICAT_UP_NODES="many")
    assert done.exit_code == 2
    assert "OCICAT_UP_NODES ('many')" in done.output


@pytest.mark.parametrize(
    ("port", "protocol", "shown"),
    [
        (80, "tcp", "80/tcp"),
        (2048, "icmp", "type 8/icmp"),
        (769, "icmp", "type 3.1/icmp"),
        (32768, "icmp6", "type 128/icmp6"),
    ],
)
def test_of_icmp_the_type_is_shown(port, protocol, shown):
    assert _port({"dest_port": port, "protocol": protocol}) == shown
