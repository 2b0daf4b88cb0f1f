"""The stubs that are checked in are those that the compiler makes of flows.proto."""

import importlib.util
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[3] / "scripts" / "proto.py"


def test_the_stubs_are_fresh():
    specification = importlib.util.spec_from_file_location("proto", SCRIPT)
    proto = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(proto)
    made = proto.stubs()
    assert set(made) == {"flows_pb2.py", "flows_pb2.pyi", "flows_pb2_grpc.py"}
    assert proto.stale(made) == [], "run `make proto`"
    spoilt = {name: f"{text}# edited\n" for name, text in made.items()}
    assert proto.stale(spoilt) == list(made)
