"""Writing to a program that does not read holds nobody up but its writer."""

import asyncio
import os

import pytest

from ocicat.cluster.pods.entry import Entry

MUCH = b"x" * (1 << 20)


async def test_all_is_written_as_it_is_read() -> None:
    reading, writing = os.pipe()
    entry = Entry(writing)
    task = asyncio.create_task(entry.write(MUCH))
    got = 0
    while got < len(MUCH):
        got += len(await asyncio.to_thread(os.read, reading, 1 << 16))
    await task
    entry.close()
    assert os.read(reading, 1) == b""
    os.close(reading)


async def test_many_who_wait_take_no_threads() -> None:
    """There are a handful of threads, and starting a pod needs one."""
    pipes = [os.pipe() for _ in range(50)]
    entries = [Entry(writing) for _, writing in pipes]
    tasks = [asyncio.create_task(entry.write(MUCH)) for entry in entries]
    await asyncio.sleep(0.05)
    assert not any(task.done() for task in tasks)
    assert await asyncio.wait_for(asyncio.to_thread(lambda: "a thread is free"), 10) == "a thread is free"
    for entry in entries:
        entry.close()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert {type(result) for result in results} == {BrokenPipeError}
    for reading, _ in pipes:
        os.close(reading)


async def test_a_reader_who_goes_and_a_writer_who_is_cancelled() -> None:
    reading, writing = os.pipe()
    entry = Entry(writing)
    task = asyncio.create_task(entry.write(MUCH))
    await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    os.close(reading)
    with pytest.raises(BrokenPipeError):
        await entry.write(b"more")
    entry.close()
    entry.close()
    with pytest.raises(BrokenPipeError):
        await entry.write(b"more")
