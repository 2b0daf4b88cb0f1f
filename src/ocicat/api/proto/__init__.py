"""The flow API's wire contract: `flows.proto`, and the stubs that `scripts/proto.py` makes from it."""
