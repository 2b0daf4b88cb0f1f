"""The network probe on the loopback."""

import json
import socket
import subprocess
import sys

import pytest

from support.podprograms import black_hole, programs


def probe(*arguments):
    done = subprocess.run(
        [sys.executable, "-m", "ocicat.cluster.pods.programs.probe", *map(str, arguments)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_what_listens_answers(protocol, host):
    with programs() as starting:
        listener = starting.start("probe", "listen", 0)
        port = json.loads(listener.says('"listening"'))["listening"]
        status, [result] = probe("connect", host, port, "--protocol", protocol, "--send", "hello")
        assert (status, result["outcome"], result["address"]) == (0, "connected", host)
        assert json.loads(result["received"])["host"] == socket.gethostname()
        listener.says(f'"protocol": "{protocol}"')
        assert listener.end() == 0


def test_a_refusal_and_a_timeout_are_told_apart():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        assert probe("connect", "127.0.0.1", closed.getsockname()[1])[1][0]["outcome"] == "refused"
    with black_hole() as nowhere:
        status, results = probe("connect", "127.0.0.1", nowhere, "--timeout", 0.2, "--count", 2, "--every", 0)
    assert (status, [result["outcome"] for result in results]) == (1, ["timeout", "timeout"])


def test_an_unknown_name_is_told():
    assert probe("connect", "nowhere.invalid", 80)[1][0]["outcome"] == "unknown name"
