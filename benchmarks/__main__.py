"""`python -m benchmarks [NAME…] [--write PAGE] [--list]`: measure, keep the results, write the page."""

import argparse
import importlib
import pkgutil
import platform
import sys
from pathlib import Path

import benchmarks
from benchmarks import report

NOT_BENCHMARKS = {"__main__", "report", "cluster"}


def names() -> list[str]:
    """Return the benchmarks that there are."""
    found = (module.name for module in pkgutil.iter_modules(benchmarks.__path__))
    return sorted(name for name in found if name not in NOT_BENCHMARKS and not name.startswith("_"))


def main() -> None:
    """Run what the command line names."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(names())}; all without")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="write the page of all kept results")
    parser.add_argument("--list", action="store_true", help="only name the benchmarks")
    arguments = parser.parse_args()
    if arguments.list:
        print("\n".join(names()))
        return
    unknown = set(arguments.names) - set(names())
    if unknown:
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}; there are {', '.join(names())}")
    for name in arguments.names or names():
        print(f"{name} …", file=sys.stderr, flush=True)
        module = importlib.import_module(f"benchmarks.{name}")
        result = report.Result(
            name=name,
            about=module.__doc__ or "",
            tables=module.measure(),
            machine=report.machine(),
            python=platform.python_version(),
            commit=report.commit(),
        )
        report.save(result)
        print(report.page([result]))
    if arguments.write:
        arguments.write.write_text(report.page(report.saved()))


if __name__ == "__main__":
    main()
