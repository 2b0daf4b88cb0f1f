"""What a benchmark returns, how results are kept, and the page that they make."""

import os
import platform
import subprocess
from collections.abc import Iterable
from pathlib import Path

import msgspec

RESULTS = Path(__file__).parent / "results"


class Table(msgspec.Struct):
    """One table of results: cells are text, ready to be read."""

    title: str
    columns: list[str]
    rows: list[list[str]]
    note: str = ""


class Result(msgspec.Struct):
    """What one run of one benchmark gave, and where."""

    name: str
    about: str
    tables: list[Table]
    machine: str
    python: str
    commit: str


def machine() -> str:
    """Return processor, cores, memory and kernel in one line."""
    model = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return f"{model}, {os.cpu_count()} cores, {pages / 2**30:.0f} GiB, Linux {platform.release()}"


def commit() -> str:
    """Return the short commit, with `+` where the work tree differs from it."""

    def git(*arguments: str) -> str:
        command = ["git", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        dirty = git("status", "--porcelain", "--untracked-files=no", "--", "src")
        return git("rev-parse", "--short", "HEAD") + ("+" if dirty else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def save(result: Result) -> None:
    """Keep a result, in place of an earlier one of the same benchmark."""
    RESULTS.mkdir(exist_ok=True)
    text = msgspec.json.format(msgspec.json.encode(result), indent=2).decode()
    (RESULTS / f"{result.name}.json").write_text(text + "\n")


def saved() -> Iterable[Result]:
    """Yield the results that are kept, by name."""
    for path in sorted(RESULTS.glob("*.json")):
        yield msgspec.json.decode(path.read_bytes(), type=Result)


def page(results: Iterable[Result]) -> str:
    """Return docs/benchmarks.md."""
    lines = [
        "# Benchmarks",
        "",
        "Written by `make bench`; `python -m benchmarks NAME` runs one. Data are made from a fixed seed. The",
        "figures of one table come from one run on one machine: compare them with each other, not with those",
        "of other machines. Each section says what biases it.",
        "",
    ]
    for result in results:
        lines += [f"## {result.name}", "", result.about.strip(), ""]
        lines += [f"*{result.machine}; Python {result.python}; commit {result.commit}*", ""]
        for table in result.tables:
            lines += [f"### {table.title}", ""]
            lines.append(f"| {' | '.join(table.columns)} |")
            lines.append(f"|{'---|' * len(table.columns)}")
            lines += [f"| {' | '.join(row)} |" for row in table.rows]
            lines += ["", table.note, ""] if table.note else [""]
    return "\n".join(lines).rstrip() + "\n"
