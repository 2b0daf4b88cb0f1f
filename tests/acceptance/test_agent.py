"""The node agent as a user runs it: a real process, a real kernel, real packets between pods.

Source: the issue on the dataplane and the agent; spec/kubernetes-api §5; spec/flows-and-console §5.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.agentbed import AgentBed
from support.pods_net import PodsNet

pytestmark = [pytest.mark.kernel, pytest.mark.slow]


@pytest.fixture
def bed(pods_net: PodsNet, tmp_path: Path) -> Iterator[AgentBed]:
    """A node with two pods, an API server that knows them, a hub, and no agent yet."""
    made = AgentBed(pods_net, tmp_path)
    try:
        made.start_api()
        made.start_hub()
        made.put("/api/v1/namespaces", "Namespace", "a")
        made.add_pod("client", "10.65.0.1", app="client")
        made.add_pod("server", "10.65.0.2", app="server")
        yield made
    finally:
        made.close()


def test_a_policy_is_enforced_explained_edited_and_outlives_the_agent(bed: AgentBed) -> None:
    bed.start_agent()
    assert bed.passes("client", "server")

    bed.put_policy("p", "Deny")
    bed.until(lambda: not bed.passes("client", "server"))

    bed.put_policy("p", "Allow")
    bed.until(lambda: bed.passes("client", "server"))
    assert not bed.passes("client", "server", 81), "what no rule allows, the end of the tier denies"

    bed.put_policy("p", "Deny")
    bed.until(lambda: not bed.passes("client", "server"))
    bed.kill("agent")
    assert not bed.passes("client", "server")
    bed.start_agent()
    assert not bed.passes("client", "server")
    assert '"adopted": 2' in bed.log("agent")
