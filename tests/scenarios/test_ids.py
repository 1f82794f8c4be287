"""Each entry of the families is a test named after its id, or stands in the README with its reason."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

HERE = Path(__file__).parent
IDS = {
    "dup": "01 02 03 04 05 06 07 09 12 13 14 15 16 17 18 19 20 21 22",
    "los": "01 02 03 05 06 07 08 10 11 12 13 14 15 16 17 19 20 21 22 23 24",
    "rec": (
        "01 02 03 05 06 07 08 09 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 "
        "34 35 36 38 39 41 42 43 44 45"
    ),
    "tim": "01 02 03 04 05 07 09 10 11 12 14 15 16 17 18 19 20 21 22 23",
    "att": "01 02 03 04 05 07 08 09 10 11 12 13 15 16 17 19 20 21 22 23 24 25",
    "fld": "01 02 05 06 07 08 09 10 11 12 13 14 15 16 17 18 19 20 21 22 24",
}
"""The numbers of the entries, by family."""


@pytest.mark.parametrize("family", IDS)
def test_each_entry_is_a_test_or_is_said_not_to_apply(family: str) -> None:
    sources = "".join(path.read_text() for path in HERE.glob(f"test_*_{family}_*.py"))
    tested = set(re.findall(rf"^def test_{family}_(\d\d)_", sources, re.MULTILINE))
    left_out = set(re.findall(rf"^\| {family.upper()}-(\d\d) \| not played: ", readme(), re.MULTILINE))
    assert tested | left_out == set(IDS[family].split())
    assert tested & left_out == set()


@pytest.mark.parametrize("family", IDS)
def test_each_entry_stands_in_the_readme(family: str) -> None:
    told = set()
    for row in re.findall(rf"^\| {family.upper()}-([\d, ]+) \|", readme(), re.MULTILINE):
        told |= set(re.findall(r"\d\d", row))
    assert told >= set(IDS[family].split())


def readme() -> str:
    return (HERE / "README.md").read_text()
