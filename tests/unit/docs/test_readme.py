"""The README stays what a stranger reads in a minute."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def test_it_is_under_150_lines() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) < 150


def test_it_names_the_two_commands() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "make demo" in text
    assert "make test" in text
