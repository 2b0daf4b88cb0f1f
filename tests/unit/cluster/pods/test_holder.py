"""The holder: what outlives the connection that asked for it, and what does not."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ocicat.cluster.pods.holding import HolderError, HolderGoneError, Holding, Start, start_holder
from ocicat.cluster.pods.security import Rights
from support.clocks import until

pytestmark = pytest.mark.kernel
ENV = {"PATH": "/usr/bin:/bin"}


@contextlib.asynccontextmanager
async def holder(folder: Path) -> AsyncIterator[tuple[Holding, Path]]:
    """A holder, its owner's connection, and the path where others connect."""
    path = folder / "holder.sock"
    process, connection = start_holder(path)
    owner = Holding(connection)
    try:
        yield owner, path
    finally:
        owner.close()
        assert await asyncio.to_thread(process.wait, 20) == 0


async def said(holding: Holding, what: Start) -> tuple[int, str]:
    """Run a process to its end; return its exit code and what it printed."""
    entry, end = os.pipe()
    null = os.open(os.devnull, os.O_RDONLY)
    try:
        started = await holding.start(what, [null, end, end])
    finally:
        os.close(end)
        os.close(null)
    with os.fdopen(entry) as file:
        text = await asyncio.to_thread(file.read)
    return await asyncio.wait_for(started.ended, 20), text


def shell(script: str, **changes: object) -> Start:
    return Start(argv=["sh", "-c", script], env=ENV, **changes)  # type: ignore[arg-type]


async def test_output_and_exit_codes(tmp_path: Path) -> None:
    async with holder(tmp_path) as (owner, _):
        assert await said(owner, shell("echo $0; exit 7")) == (7, "sh\n")
        assert await said(owner, shell("kill -9 $$")) == (137, "")


async def test_what_cannot_be_started_is_said(tmp_path: Path) -> None:
    async with holder(tmp_path) as (owner, _):
        for argv, why in (
            (["/no/such"], 'exec: "/no/such": no such file or directory'),
            (["nothing"], 'exec: "nothing": executable file not found in $PATH'),
            (["/etc"], 'exec: "/etc": Permission denied'),
        ):
            with pytest.raises(HolderError) as raised:
                await said(owner, Start(argv=argv, env=ENV))
            assert str(raised.value) == why
        with pytest.raises(HolderError, match="working directory /no: No such file"):
            await said(owner, Start(argv=["true"], env=ENV, cwd="/no"))


async def test_namespaces_have_networks_of_their_own(tmp_path: Path) -> None:
    async with holder(tmp_path) as (owner, _):
        for name in ("one", "two"):
            await owner.space(name)
        await owner.run("one", "ip", "link", "add", "here", "type", "veth")
        assert "here" in await owner.run("one", "ip", "-br", "link")
        assert "here" not in await owner.run("two", "ip", "-br", "link")
        await owner.sysctl("one", {"net.ipv4.ip_forward": 1, "net.ipv4.no_such": 1})
        assert await said(owner, shell("cat /proc/sys/net/ipv4/ip_forward", space="one")) == (0, "1\n")
        with await owner.socket("one", socket.AF_INET) as made, pytest.raises(OSError, match="unreachable"):
            made.connect(("127.0.0.1", 1))  # its loopback is down
        with pytest.raises(HolderError, match="ip link del absent"):
            await owner.run("one", "ip", "link", "del", "absent")
        assert sorted(await owner.spaces()) == ["one", "two"]
        await owner.drop("one")
        with pytest.raises(HolderError):
            await owner.run("one", "ip", "link")


async def test_who_goes_takes_what_is_his_and_leaves_what_is_kept(tmp_path: Path) -> None:
    async with holder(tmp_path) as (owner, path):
        first = Holding.connected(path)
        await first.space("passing")
        await first.space("staying", kept=True)
        null = os.open(os.devnull, os.O_RDWR)
        passing = await first.start(shell("sleep 1000"), [null] * 3)
        staying = await first.start(shell("sleep 1000", keep="a/1"), [null] * 3)
        os.close(null)
        marks = [Path(f"/proc/{pid_outside(started.pid)}") for started in (passing, staying)]
        first.close()
        await until(lambda: not marks[0].exists())
        assert marks[1].exists()
        assert await owner.spaces() == ["staying"]
        assert await owner.kept("a/") == ["a/1"]
        assert await owner.kept("b/") == []
        await owner.forget("a/1")
        await until(lambda: not marks[1].exists())


def pid_outside(pid: int) -> int:
    """The number that we see of a process that a holder's pid namespace numbers so."""
    for status in Path("/proc").glob("[0-9]*/status"):
        with contextlib.suppress(OSError):
            rows = dict(line.split(":\t", 1) for line in status.read_text().splitlines() if ":\t" in line)
            if rows["NSpid"].split()[1:] == [str(pid)] and "sleep 1000" in cmdline(status.parent):
                return int(rows["Pid"])
    raise AssertionError(f"no process {pid}")


def cmdline(process: Path) -> str:
    return (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()


async def test_a_kept_process_is_taken_over_with_its_streams(tmp_path: Path) -> None:
    async with holder(tmp_path) as (_, path):
        first, second = Holding.connected(path), Holding.connected(path)
        stdin, feed = os.pipe()
        out, stdout = os.pipe()
        echoes = shell("while read line; do echo got $line; done; exit 4", keep="n/run")
        started = await first.start(echoes, [stdin, stdout, stdout, feed, out])
        for descriptor in (stdin, stdout, feed, out):
            os.close(descriptor)
        first.close()
        adopted = await second.adopt("n/run")
        assert adopted.pid == started.pid
        feed, out = adopted.streams
        os.write(feed, b"hello\n")
        assert await asyncio.to_thread(os.read, out, 100) == b"got hello\n"
        # Its input ends when both we and the holder let it go.
        os.close(feed)
        await second.shut("n/run")
        assert await asyncio.wait_for(adopted.ended, 20) == 4
        # It has ended and is still known, until it is forgotten.
        again = await second.adopt("n/run")
        assert await again.ended == 4
        await second.forget("n/run")
        await second.shut("n/run")
        with pytest.raises(HolderError):
            await second.adopt("n/run")
        for descriptor in (out, *again.streams):
            os.close(descriptor)
        second.close()


@pytest.mark.parametrize("keep", ["", "node-1/uid/c/0"])
async def test_a_start_that_nobody_waits_for_leaves_no_process(tmp_path: Path, keep: str) -> None:
    """A pod that is deleted while its container is being started: the request is with the holder already."""
    async with holder(tmp_path) as (owner, _):
        null = os.open(os.devnull, os.O_RDWR)
        mark = f"sleep 98.{os.getpid()}"
        starting = asyncio.create_task(owner.start(shell(f"exec {mark}", keep=keep), [null] * 3))
        await asyncio.sleep(0)
        starting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await starting
        os.close(null)
        await until(lambda: not owner._endings)
        assert await owner.kept("") == []
        gone = ["pgrep", "-f", mark]
        await until(lambda: subprocess.run(gone, capture_output=True, check=False).returncode == 1)


async def test_a_terminal_is_kept_too(tmp_path: Path) -> None:
    async with holder(tmp_path) as (_, path):
        first, second = Holding.connected(path), Holding.connected(path)
        started = await first.start(shell("tty; read x; echo $x", tty=True, keep="n/tty"))
        assert started.terminal is not None
        os.close(started.terminal)
        first.close()
        (master,) = (await second.adopt("n/tty")).streams
        os.write(master, b"typed\n")
        text = b""
        while text.count(b"typed") < 2:  # as it was typed, and as it was printed
            text += await asyncio.to_thread(os.read, master, 1000)
        assert b"/dev/pts/" in text
        os.close(master)
        second.close()


async def test_rights_are_those_that_were_asked_for(tmp_path: Path) -> None:
    (tmp_path / "image").mkdir()
    binds = [
        [f"/{name}", f"/{name}", True] for name in ("usr", "bin", "lib", "lib64") if Path(f"/{name}").exists()
    ]
    root = {"image": str(tmp_path / "image"), "binds": binds, "read_only": True}
    rights = Rights(user=1000, group=3000, capabilities=(13,), no_new_privileges=True)
    async with holder(tmp_path) as (owner, _):
        script = "id -u; id -g; grep -E 'CapBnd|NoNewPrivs' /proc/self/status; echo x > /x; echo $$"
        what = shell(script, rights=rights, root=root | {"writable": str(tmp_path / "w")})
        _, text = await said(owner, what)
        assert text.split()[:6] == ["1000", "3000", "CapBnd:", f"{1 << 13:016x}", "NoNewPrivs:", "1"]
        assert "Read-only file system" in text
        assert text.split()[-1] == "1"  # the first of its pid namespace


async def test_a_command_beside_a_container_is_in_all_its_namespaces(tmp_path: Path) -> None:
    (tmp_path / "image").mkdir()
    binds = [
        [f"/{name}", f"/{name}", True] for name in ("usr", "bin", "lib", "lib64") if Path(f"/{name}").exists()
    ]
    root = {"image": str(tmp_path / "image"), "binds": binds, "writable": str(tmp_path / "w")}
    rights = Rights(user=1000, capabilities=())
    async with holder(tmp_path) as (owner, _):
        await owner.space("pod")
        null = os.open(os.devnull, os.O_RDWR)
        what = shell("touch /made; sleep 1000", space="pod", rights=rights, root=root, hostname="box")
        main = await owner.start(what, [null] * 3)
        os.close(null)
        script = "until [ -e /made ]; do sleep 0.05; done; id -u; hostname; cat /proc/1/cmdline"
        code, text = await said(owner, shell(script, target=main.pid, rights=rights))
        assert (code, text.replace("\0", " ")) == (0, "1000\nbox\nsh -c touch /made; sleep 1000 ")
        beside = shell("cat /proc/1/cmdline; ls /made", beside=main.pid, space="pod", rights=rights,
                       root=root | {"writable": str(tmp_path / "other")})  # fmt: skip
        code, text = await said(owner, beside)
        assert "sleep 1000" in text  # its processes
        assert code != 0  # not its files


async def test_everything_ends_with_the_holder(tmp_path: Path) -> None:
    path = tmp_path / "holder.sock"
    process, connection = start_holder(path)
    owner, other = Holding(connection), Holding.connected(path)
    null = os.open(os.devnull, os.O_RDWR)
    running = await other.start(shell("sleep 1000", keep="k"), [null] * 3)
    os.close(null)
    mark = Path(f"/proc/{pid_outside(running.pid)}")
    process.send_signal(signal.SIGKILL)
    process.wait(20)
    assert await asyncio.wait_for(running.ended, 20) == 137
    await until(lambda: not mark.exists())
    await asyncio.wait_for(other.gone, 20)
    with pytest.raises(HolderGoneError):
        await other.space("late")
    for holding in (owner, other):
        holding.close()


async def test_a_state_folder_may_be_anywhere(tmp_path: Path) -> None:
    """The kernel takes paths of 107 bytes for a socket."""
    deep = tmp_path / ("x" * 100) / ("y" * 100)
    deep.mkdir(parents=True)
    async with holder(deep) as (_, path):
        other = Holding.connected(path)
        assert await other.spaces() == []
        other.close()
    with pytest.raises(HolderGoneError, match="No such file"):
        Holding.connected(deep / "absent")


async def test_many_descriptors_are_no_trouble(tmp_path: Path) -> None:
    """Two hundred pods have more than the usual 1,024; containers have the usual limit."""
    async with holder(tmp_path) as (owner, _):
        for number in range(400):
            await owner.space(f"space-{number}")
        assert (await said(owner, shell("ulimit -n")))[1] != "1024\n"
        limits = subprocess.run(["sh", "-c", "ulimit -Hn"], capture_output=True, text=True, check=True).stdout
        assert (await said(owner, shell("ulimit -n")))[1] == limits
