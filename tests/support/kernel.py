"""Fixtures of tests that ask the kernel. Where that is impossible they are skipped aloud; in CI they fail."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import pytest

from ocicat.dataplane.nft.driver import NftProgram
from ocicat.dataplane.socket import NETFILTER, NetlinkSocket
from ocicat.model.net import Address
from support.netns import Namespaces, why_impossible
from support.pods_net import PodsNet

NODE_ADDRESSES = (Address.parse("172.18.0.1"), Address.parse("fd18::1"))
"""The addresses of the node in `pods_net`."""

_reason = cache(why_impossible)


def nft_program(namespaces: Namespaces) -> NftProgram:
    """Return the nft program at the node of a bed, as an agent has it: elements go by netlink."""
    opened = namespaces.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETFILTER)
    return NftProgram((*namespaces.command(), "nft"), NetlinkSocket(opened))


def require_kernel() -> None:
    """Skip the test aloud where no private namespace can be had; in CI fail."""
    if reason := _reason():
        if os.environ.get("CI"):
            pytest.fail(f"CI must run kernel tests, but: {reason}")
        pytest.skip(reason)


@contextmanager
def made_pods_net() -> Iterator[PodsNet]:
    """A node that routes, for fixtures that serve more than one test."""
    require_kernel()
    with Namespaces() as made:
        net = PodsNet(made, NODE_ADDRESSES)
        try:
            yield net
        finally:
            net.close()


@pytest.fixture
def namespaces() -> Iterator[Namespaces]:
    """A private user namespace with one network namespace, `node`; all is gone afterwards."""
    require_kernel()
    with Namespaces() as made:
        yield made


@pytest.fixture
def pods_net(namespaces: Namespaces) -> Iterator[PodsNet]:
    """A node that routes, with a way out and no pods yet."""
    net = PodsNet(namespaces, NODE_ADDRESSES)
    yield net
    net.close()
