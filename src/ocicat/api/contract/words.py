"""The words that parameters take, the default first. The handlers and the document read the same ones."""

from typing import Final

GROUPS: Final = ("connection", "reporter")
BY: Final = ("action", "source", "dest", "policy")
RANKED: Final = ("source", "dest", "pair", "service", "policy")
MEASURES: Final = ("bytes", "connections", "denied")
STATISTICS_OF: Final = ("policy", "rule")
STATISTICS: Final = ("connections", "packets", "bytes")
FORMATS: Final = {
    "jsonl": "application/jsonl",
    "csv": "text/csv",
    "parquet": "application/vnd.apache.parquet",
}
"""Of exports, with their media types."""
MOST_TOP: Final = 1_000
"""Items of a top list."""
