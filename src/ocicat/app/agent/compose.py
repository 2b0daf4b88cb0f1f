"""Settings → an Agent with all its parts. The one place that knows every concrete class of it."""

import asyncio
import os
import secrets
import signal
from typing import Final

import structlog

from ocicat.api.flowclient import FlowClient
from ocicat.app.agent.accounting import Accounted, Accounting, KernelTraces, Unaccounted
from ocicat.app.agent.agent import Agent
from ocicat.app.agent.cutting import Cutting, Ending
from ocicat.app.agent.enforcer import Enforcer, Pass
from ocicat.app.agent.events import EventReporter
from ocicat.app.agent.hub import hub_server
from ocicat.app.agent.translation import Translation
from ocicat.app.mirror import AGENT_KINDS, Mirror, understood
from ocicat.app.settings import AgentSettings, Settings
from ocicat.cluster.client import connect
from ocicat.cluster.deltas import Inbox
from ocicat.cluster.reflect import reflectors
from ocicat.dataplane.accounts import KernelAccounts
from ocicat.dataplane.conntrack import Conntrack, count_traffic
from ocicat.dataplane.cut import Cut, cut
from ocicat.dataplane.kubeproxy import sign_of_kube_proxy
from ocicat.dataplane.nft import settings as nft
from ocicat.dataplane.nft.driver import NftProgram
from ocicat.dataplane.nft.kernel import NftKernel
from ocicat.dataplane.nft.services import ServiceSettings
from ocicat.dataplane.routes import Routes
from ocicat.dataplane.socket import NetlinkSocket
from ocicat.engine.plan import Plan
from ocicat.engine.policy import Direction
from ocicat.flows.collect import Collector
from ocicat.ports.flows import FlowSink
from ocicat.ports.systemclock import SystemClock, chance

log: Final = structlog.get_logger("ocicat.agent")


def compose(settings: Settings) -> Agent:
    """Return the agent of these settings, connected to nothing yet. To be called in its event loop.

    Raises OcicatError where a part cannot be made.
    """
    of_agent = settings.agent
    timer, mirror, inbox = SystemClock(), Mirror(), Inbox()
    client = connect(of_agent.kubeconfig, of_agent.context or None)
    followed = reflectors(AGENT_KINDS, client, understood, inbox, timer, chance)
    nft = NftProgram(elements=NetlinkSocket())
    kernel = NftKernel(nft, _ruleset(of_agent), node=of_agent.node)
    routes = Routes()
    # What names this run must differ from what named the last one, and from a pod's of the same node.
    sender = f"{of_agent.node}/{os.getpid()}/{secrets.token_hex(4)}"
    flows = FlowClient(
        lambda: hub_server(of_agent, mirror.services), timer, chance, sender, of_agent.queue_records
    )
    accounting = _accounting(of_agent, kernel, flows)

    def passed(done: Pass) -> None:
        agent.passed(done)

    enforcer = Enforcer(
        node=of_agent.node,
        prefix=of_agent.interface_prefix,
        mirror=mirror,
        inbox=inbox,
        synced=lambda: agent.synced,
        routes=routes.current,
        kernel=kernel,
        timer=timer,
        chance=chance,
        begin=accounting.begin,
        passed=passed,
    )
    agent = Agent(
        settings=settings,
        client=client,
        inbox=inbox,
        reflectors=followed,
        enforcer=enforcer,
        kernel=kernel,
        routes=routes,
        flows=flows,
        accounting=accounting,
        events=EventReporter(client, of_agent.node, timer),
        cutting=Cutting(_ending(of_agent, kernel), enforcer, timer, chance),
        translation=Translation(
            of_agent.services,
            sign_of_kube_proxy,
            lambda here: kernel.translate(_services(of_agent) if here else None),
            enforcer,
            timer,
        ),
        timer=timer,
    )
    return agent


def _accounting(settings: AgentSettings, kernel: NftKernel, sink: FlowSink) -> Accounting:
    if not settings.account_flows:
        return Unaccounted(Conntrack().table)
    try:
        count_traffic()
    except OSError as error:
        log.warning("flows.without_bytes", reason=str(error))
    clock = SystemClock()
    accounts = KernelAccounts(_ruleset(settings).table)
    traces = KernelTraces(kernel)
    collector = Collector(accounts, traces, clock, salt=secrets.randbits(64), node=settings.node)
    return Accounted(collector, sink, clock, settings.node)


def _ruleset(settings: AgentSettings) -> nft.RulesetSettings:
    return nft.RulesetSettings(
        interface_prefix=settings.interface_prefix, denial=nft.Denial(settings.denial.value)
    )


def _ending(settings: AgentSettings, kernel: NftKernel) -> Ending | None:
    """Return what ends refused connections; None where established ones are left alone."""
    if not settings.cut_refused:
        return None
    conntrack = Conntrack()

    def ending(plan: Plan) -> Cut:
        return cut(plan, conntrack, {direction: kernel.book.retired(direction) for direction in Direction})

    return ending


def _services(settings: AgentSettings) -> ServiceSettings:
    """Return how Services are translated where the agent does it."""
    return ServiceSettings(interface_prefix=settings.interface_prefix, pod_nets=settings.pod_prefixes)


def run(settings: Settings) -> None:
    """Run the agent until SIGTERM or SIGINT. Raises OcicatError where it cannot start."""

    async def life() -> None:
        agent = compose(settings)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, agent.stop)
        await agent.run()

    asyncio.run(life())
