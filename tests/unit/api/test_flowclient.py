"""Delivery of flows: to our hub in batches, to a Goldmane turn by turn. Source: spec/flows-and-console §5."""

import asyncio
from contextlib import asynccontextmanager

import grpc
import pytest

from ocicat.api.channel import FlowServer, TlsFiles, TlsFilesError
from ocicat.api.collector import Collector
from ocicat.api.flowclient import FlowClient
from ocicat.api.proto import flows_pb2 as pb
from ocicat.api.proto import flows_pb2_grpc as stubs
from support.clocks import FakeTimer, until
from support.flowrecords import SECOND_NS, record
from support.pki import certificates


class Goldmane:
    """A server that knows turns only. It fails the test when a client does not wait for its receipt."""

    def __init__(self, *, patience: int = 10**9):
        self.flows: list[pb.Flow] = []
        self.connections = 0
        self.out_of_turn = 0
        self.patience = patience
        """How many flows a connection may bring before it is ended."""

    async def Connect(self, updates, _context):  # noqa: N802  # the name in the contract
        self.connections += 1
        taken = 0
        waiting = asyncio.Queue()

        async def read():
            async for update in updates:
                waiting.put_nowait(update)

        reader = asyncio.create_task(read())
        try:
            while taken < self.patience:
                update = await waiting.get()
                await asyncio.sleep(0.01)
                self.out_of_turn += waiting.qsize()
                self.flows.append(update.flow)
                taken += 1
                yield pb.FlowReceipt()
        finally:
            reader.cancel()

    def add_to(self, server):
        stubs.add_FlowCollectorServicer_to_server(self, server)


@asynccontextmanager
async def served(service, port=0, credentials=None):
    server = grpc.aio.server()
    service.add_to(server)
    address = f"127.0.0.1:{port}"
    bound = server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
    await server.start()
    try:
        yield bound
    finally:
        await server.stop(None)


@asynccontextmanager
async def client_of(server, timer, bound=50_000, sender="n1/1"):
    client = FlowClient(lambda: server, timer, lambda: 0.0, sender, bound)
    task = asyncio.create_task(client.run())
    try:
        yield client
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def to(port):
    return FlowServer(f"127.0.0.1:{port}")


class Kept(Collector):
    """Our receiving side, with a list behind it."""

    def __init__(self):
        self.records = []
        super().__init__(self.keep, FakeTimer())

    async def keep(self, records):
        self.records += records


# --- batches ------------------------------------------------------------------------------------------------


async def test_the_hub_gets_records_at_once_and_unchanged():
    hub, timer = Kept(), FakeTimer()
    async with served(hub) as port, client_of(to(port), timer) as client:
        await client.send([record(1), record(2)])
        await until(lambda: client.status().sent == 2)
        assert hub.records == [record(1), record(2)]
        assert client.status().method == "batches"
        assert client.status().connected


async def test_the_capability_is_found_before_there_are_flows():
    hub, timer = Kept(), FakeTimer()
    async with served(hub) as port, client_of(to(port), timer) as client:
        await until(lambda: client.status().method == "batches")
        assert hub.received == 0


async def test_a_hub_that_comes_back_gets_what_waited_and_nothing_twice():
    hub, timer = Kept(), FakeTimer()
    async with served(hub) as port:
        pass
    async with client_of(to(port), timer) as client:
        await client.send([record(1)])
        await until(lambda: client.status().error != "")
        assert client.status().queued == 1
        async with served(hub, port):
            await wake(timer, lambda: client.status().sent == 1)
            await client.send([record(2)])
            await until(lambda: client.status().sent == 2)
    assert [r.key.dest_port for r in hub.records] == [1, 2]
    assert client.lost == 0


async def test_batches_without_receipt_are_repeated_and_known_as_repetitions():
    """A hub that dies between keeping and acknowledging."""

    class Forgetful(Kept):
        async def Push(self, batches, context):  # noqa: N802
            async for receipt in super().Push(batches, context):
                if receipt.sequence and not self.recovered:
                    await context.abort(grpc.StatusCode.UNAVAILABLE, "gone")
                yield receipt

    hub, timer = Forgetful(), FakeTimer()
    hub.recovered = False
    async with served(hub) as port, client_of(to(port), timer) as client:
        await client.send([record(1)])
        await until(lambda: "gone" in client.status().error)
        hub.recovered = True
        await wake(timer, lambda: client.status().sent == 1)
    assert [r.key.dest_port for r in hub.records] == [1]
    assert hub.repeated == 1


async def test_a_restarted_agent_is_not_taken_for_a_repetition():
    hub, timer = Kept(), FakeTimer()
    async with served(hub) as port:
        for run in ("n1/1", "n1/2"):
            async with client_of(to(port), timer, sender=run) as client:
                await client.send([record(1)])
                await until(lambda client=client: client.status().sent == 1)
    assert len(hub.records) == 2


async def test_the_hub_learns_what_was_lost():
    hub, timer = Kept(), FakeTimer()
    async with served(hub) as port, client_of(to(port), timer, bound=4) as client:
        await client.send([record(number) for number in range(100)])
        lost = client.lost
        assert lost > 0
        await until(lambda: client.status().sent + lost == 100)
    assert hub.lost_by_senders == lost


async def test_a_hub_that_stops_answering_is_given_up():
    class Silent:
        async def Push(self, batches, _context):  # noqa: N802
            async for batch in batches:
                if batch.sequence == 0:
                    yield pb.FlowBatchReceipt()

        def add_to(self, server):
            stubs.add_FlowBatchesServicer_to_server(self, server)

    timer = FakeTimer()
    async with served(Silent()) as port, client_of(to(port), timer) as client:
        await until(lambda: client.status().connected)
        await client.send([record()])
        await wake(timer, lambda: "no receipt" in client.status().error, step_s=6.0)
        assert client.status().queued == 1


# --- turns --------------------------------------------------------------------------------------------------


async def test_a_goldmane_gets_windows_turn_by_turn():
    goldmane, timer = Goldmane(), FakeTimer(1_700_000_010 * SECOND_NS)
    async with served(goldmane) as port, client_of(to(port), timer) as client:
        for port_number in (1, 2, 3, 1, 2, 3):
            await client.send([record(port_number, start_ns=timer.now_ns(), end_ns=timer.now_ns())])
        await wake(timer, lambda: client.status().sent == 3)
        assert client.status().method == "turns"
    assert goldmane.out_of_turn == 0
    assert [
        (f.Key.dest_port, f.start_time % 15, f.end_time - f.start_time, f.packets_in) for f in goldmane.flows
    ] == [
        (1, 0, 15, 6),
        (2, 0, 15, 6),
        (3, 0, 15, 6),
    ]


async def test_a_goldmane_gets_the_last_five_minutes_again_after_a_reconnection():
    """ "on every (re)connect first replays that cache, then goes on with new records"."""
    goldmane, timer = Goldmane(patience=2), FakeTimer()
    async with served(goldmane) as port, client_of(to(port), timer) as client:
        await client.send([record(number, start_ns=1) for number in (1, 2, 3)])
        await wake(timer, lambda: goldmane.connections >= 2)
        goldmane.patience = 10**9
        await wake(timer, lambda: client.status().sent == 3)
    ports = [flow.Key.dest_port for flow in goldmane.flows]
    assert ports[:2] == [1, 2]
    assert ports[-3:] == [1, 2, 3]


async def test_what_is_older_than_five_minutes_is_not_repeated():
    goldmane, timer = Goldmane(patience=2), FakeTimer()
    async with served(goldmane) as port, client_of(to(port), timer) as client:
        await client.send([record(1, start_ns=1)])
        await wake(timer, lambda: client.status().sent == 1)
        await timer.advance(301)
        await client.send([record(2, start_ns=1)])
        await wake(timer, lambda: goldmane.connections == 2 and len(goldmane.flows) == 3)
    assert [flow.Key.dest_port for flow in goldmane.flows] == [1, 2, 2]


async def test_flows_for_a_slow_goldmane_are_bounded_and_counted():
    class Stuck(Goldmane):
        async def Connect(self, updates, _context):  # noqa: N802
            async for _ in updates:
                await asyncio.sleep(3600)
                yield pb.FlowReceipt()

    timer = FakeTimer()
    async with served(Stuck()) as port, client_of(to(port), timer, bound=6000) as client:
        await until(lambda: client.status().error == "")
        await client.send([record(number, start_ns=1) for number in range(12_000)])
        await wake(timer, lambda: client.lost > 0)
        assert client.status().queued + client.lost == 12_000
        assert client.status().queued <= 6000 + 5000


# --- reaching the server ------------------------------------------------------------------------------------


async def test_retries_wait_one_second_doubling_to_ten():
    timer = FakeTimer()
    client = FlowClient(lambda: None, timer, lambda: 0.0, "n1/1")
    waits = []

    async def sleep(seconds):
        waits.append(seconds)
        if len(waits) == 6:
            raise asyncio.CancelledError

    timer.sleep = sleep
    with pytest.raises(asyncio.CancelledError):
        await client.run()
    assert waits == [1, 2, 4, 8, 10, 10]


async def test_mutual_tls(tmp_path):
    files = certificates(tmp_path, "goldmane.calico-system.svc")
    credentials = grpc.ssl_server_credentials(
        [(files["server.key"].read_bytes(), files["server.crt"].read_bytes())],
        files["ca.crt"].read_bytes(),
        require_client_auth=True,
    )
    tls = TlsFiles(*(str(files[name]) for name in ("ca.crt", "client.crt", "client.key")))
    hub, timer = Kept(), FakeTimer()
    async with served(hub, credentials=credentials) as port:
        server = FlowServer(f"127.0.0.1:{port}", tls, "goldmane.calico-system.svc")
        async with client_of(server, timer) as client:
            await client.send([record()])
            await until(lambda: client.status().sent == 1)
        async with client_of(to(port), timer) as client:
            await until(lambda: "UNAVAILABLE" in client.status().error)
        other = FlowServer(f"127.0.0.1:{port}", tls, "another.name")
        async with client_of(other, timer) as client:
            await until(lambda: "UNAVAILABLE" in client.status().error)
    assert len(hub.records) == 1


def test_files_for_tls_are_all_or_none(tmp_path):
    with pytest.raises(TlsFilesError, match="three files"):
        TlsFiles(ca="ca.crt").read()
    with pytest.raises(TlsFilesError, match="No such file"):
        TlsFiles(*[str(tmp_path / "missing")] * 3).read()
    assert TlsFiles().read() is None


async def test_files_that_cannot_be_read_are_told_and_tried_again():
    timer = FakeTimer()
    server = FlowServer("127.0.0.1:1", TlsFiles("no-such-ca", "no-such-crt", "no-such-key"))
    async with client_of(server, timer) as client:
        await until(lambda: "no-such-ca" in client.status().error)
        assert timer.sleepers == 1


async def wake(timer, condition, step_s=1.0):
    """Let fake time pass until the condition holds."""
    async with asyncio.timeout(20):
        while not condition():
            await timer.advance(step_s)
            await asyncio.sleep(0.005)
