"""A reader of a real hub's flow API. The hub is `told`, of support.whisker."""

from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from ocicat.api.proto import flows_pb2 as pb
from ocicat.api.proto import flows_pb2_grpc as stubs
from support.hub import RealHub

WAIT_S = 20.0
RECENT = [53, 80, 443, 3306, 3306, 3306, 8080]
"""The ports of the flows of the last minute; two hours ago there was one more to 3306."""


@pytest.fixture(scope="module")
def channel(told: RealHub) -> Iterator[grpc.Channel]:
    """A channel to the hub that was told of the application."""
    with grpc.insecure_channel(told.grpc) as opened:
        yield opened


def listed(channel: grpc.Channel, **asked: Any) -> pb.FlowListResult:
    """Return the answer to a question for a list, of the last minutes where it says no time."""
    asked = {"start_time_gte": -300} | asked
    result: pb.FlowListResult = stubs.FlowsStub(channel).List(pb.FlowListRequest(**asked), timeout=WAIT_S)
    return result


def ports(result: pb.FlowListResult) -> list[int]:
    """Return the destination ports of a list."""
    return sorted(item.flow.Key.dest_port for item in result.flows)


def exactly(value: str) -> list[pb.StringMatch]:
    """Return the one match of a field."""
    return [pb.StringMatch(value=value)]


def fails(call: Any) -> Any:
    """Return the error that a call, or the stream of its answers, must end in."""
    with pytest.raises(grpc.RpcError) as failed:
        list(call) if hasattr(call, "__iter__") else call()
    return failed.value
