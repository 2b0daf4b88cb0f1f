"""Who may reach a real hub's flow API: mutual TLS, or a socket of this machine.

Source: flows-and-console §5, §6.
"""

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from ocicat.api.proto import flows_pb2 as pb
from ocicat.api.proto import flows_pb2_grpc as stubs
from ocicat.api.records import flow_of
from support.flowapi import WAIT_S, fails, listed
from support.hub import RealHub, flow_record
from support.pki import certificates

NAME = "goldmane.calico-system.svc"


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return certificates(tmp_path_factory.mktemp("ours"), NAME)


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory, ours: dict[str, Path]) -> Iterator[RealHub]:
    """A hub with TLS."""
    files = ("--tls-ca", "ca.crt", "--tls-certificate", "server.crt", "--tls-key", "server.key")
    arguments = [str(ours.get(word, word)) for word in files]
    hub = RealHub(tmp_path_factory.mktemp("hub"), *arguments)
    yield hub
    assert hub.process.poll() is None
    hub.stop()


def channel(hub: RealHub, files: dict[str, Path], *, with_certificate: bool = True) -> grpc.Channel:
    """Return a channel as from a laptop: "override the authority to `goldmane.calico-system.svc`"."""
    pair = [files[name].read_bytes() if with_certificate else None for name in ("client.key", "client.crt")]
    credentials = grpc.ssl_channel_credentials(files["ca.crt"].read_bytes(), *pair)
    return grpc.secure_channel(hub.grpc, credentials, [("grpc.ssl_target_name_override", NAME)])


def test_a_sender_with_a_certificate_is_known_again_on_a_new_connection(
    secured: RealHub, ours: dict[str, Path]
) -> None:
    """§6: "Any certificate of that CA is accepted"; §5: "scope by client certificate identity"."""
    update = pb.FlowUpdate(flow=flow_of(flow_record(node="")))
    for _ in range(2):
        with channel(secured, ours) as opened:
            receipts = stubs.FlowCollectorStub(opened).Connect(iter([update]), timeout=WAIT_S)
            assert len(list(receipts)) == 1
    with channel(secured, ours) as opened:
        [item] = listed(opened).flows
        assert item.flow.num_connections_started == 1


def test_who_has_no_certificate_of_the_ca_is_not_let_in(
    secured: RealHub, ours: dict[str, Path], tmp_path: Path
) -> None:
    """§6: "client certificate required and checked against the CA bundle"."""
    theirs = certificates(tmp_path, NAME) | {"ca.crt": ours["ca.crt"]}
    for stranger in (
        channel(secured, ours, with_certificate=False),
        channel(secured, theirs),
        grpc.insecure_channel(secured.grpc),
    ):
        with stranger as opened:
            assert fails(lambda opened=opened: listed(opened)).code() is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_is_of_both_versions(secured: RealHub, ours: dict[str, Path], version: ssl.TLSVersion) -> None:
    """§6: "TLS 1.2 to 1.3"."""
    context = ssl.create_default_context(cafile=str(ours["ca.crt"]))
    context.load_cert_chain(ours["client.crt"], ours["client.key"])
    context.set_alpn_protocols(["h2"])
    context.minimum_version = context.maximum_version = version
    host, _, port = secured.grpc.rpartition(":")
    with (
        socket.create_connection((host, int(port)), timeout=WAIT_S) as plain,
        context.wrap_socket(plain, server_hostname=NAME) as wrapped,
    ):
        assert (wrapped.version(), wrapped.selected_alpn_protocol()) == (
            version.name.replace("_", "."),
            "h2",
        )


def test_agents_of_a_node_can_use_its_socket(tmp_path: Path) -> None:
    """§5: "also offered without TLS on a node-local socket"."""
    path = tmp_path / "flows.sock"
    hub = RealHub(tmp_path, "--grpc", f"unix:{path}")
    try:
        update = pb.FlowUpdate(flow=flow_of(flow_record(node="")))
        for _ in range(2):
            with grpc.insecure_channel(f"unix:{path}") as opened:
                receipts = stubs.FlowCollectorStub(opened).Connect(iter([update]), timeout=WAIT_S)
                assert len(list(receipts)) == 1
        with grpc.insecure_channel(f"unix:{path}") as opened:
            [item] = listed(opened).flows
            assert item.flow.num_connections_started == 1
    finally:
        hub.stop()
