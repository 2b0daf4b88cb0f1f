"""Make the stubs of the flow API from `flows.proto`, or say that those checked in are stale.

    python scripts/proto.py           writes src/ocicat/api/proto/flows_pb2.py, .pyi and flows_pb2_grpc.py
    python scripts/proto.py --check   writes nothing; exits with 1 where one would change

The stubs are checked in, so that users need no compiler; `make proto` renews them.
"""

import sys
import tempfile
from importlib import resources
from pathlib import Path
from typing import Final

from grpc_tools import protoc

ROOT: Final = Path(__file__).resolve().parent.parent
SOURCE: Final = ROOT / "src"
CONTRACT: Final = "ocicat/api/proto/flows.proto"
STUBS: Final = ("flows_pb2.py", "flows_pb2.pyi", "flows_pb2_grpc.py")


def stubs() -> dict[str, str]:
    """Return the text of every stub, as the compiler writes it now."""
    with tempfile.TemporaryDirectory() as folder:
        outcome = protoc.main(
            [
                "protoc",
                f"--proto_path={SOURCE}",
                f"--proto_path={resources.files('grpc_tools') / '_proto'}",
                f"--python_out={folder}",
                f"--pyi_out={folder}",
                f"--grpc_python_out={folder}",
                CONTRACT,
            ]
        )
        if outcome != 0:
            raise SystemExit(f"the compiler refused {CONTRACT} (exit code {outcome})")
        made = Path(folder, CONTRACT).parent
        return {name: (made / name).read_text(encoding="utf-8") for name in STUBS}


def stale(made: dict[str, str]) -> list[str]:
    """Return the names of the stubs that differ from what was made, or are missing."""
    folder = (SOURCE / CONTRACT).parent
    return [
        name
        for name, text in made.items()
        if not (folder / name).exists() or (folder / name).read_text(encoding="utf-8") != text
    ]


def main(arguments: list[str]) -> int:
    """Write the stubs, or with `--check` compare them. Return the exit code."""
    if arguments not in ([], ["--check"]):
        print("usage: proto.py [--check]", file=sys.stderr)
        return 2
    made = stubs()
    if arguments:
        names = stale(made)
        for name in names:
            print(f"{name} is stale: run `make proto`", file=sys.stderr)
        return 1 if names else 0
    for name, text in made.items():
        (SOURCE / CONTRACT).parent.joinpath(name).write_text(text, encoding="utf-8")
        print(f"{name} written")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
