"""Values of the border are made quickly, and are frozen dataclasses all the same."""

from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError, dataclass, fields, replace
from typing import Any

import pytest
from hypothesis import given, settings

from hub.plugin.made import quickly_made
from hub.plugin.strategies import contents
from hub.plugin.types import EventContent


@dataclass(frozen=True, slots=True)
class Plain:
    first: str
    second: int = 2


@quickly_made
@dataclass(frozen=True, slots=True)
class Quick:
    first: str
    second: int = 2


def test_it_takes_and_refuses_the_same_arguments() -> None:
    for arguments, named in ((("a",), {}), (("a", 3), {}), ((), {"second": 4, "first": "b"})):
        quick, plain = Quick(*arguments, **named), Plain(*arguments, **named)
        assert (quick.first, quick.second) == (plain.first, plain.second)
    for arguments, named in (((), {}), (("a", 1, 2), {}), (("a",), {"third": 3}), (("a",), {"first": "b"})):
        for kind in (Quick, Plain):
            with pytest.raises(TypeError):
                kind(*arguments, **named)


@settings(max_examples=30)
@given(contents())
def test_a_value_stays_as_it_was_made(content: EventContent) -> None:
    field: Any
    for field in fields(content):
        with pytest.raises(FrozenInstanceError):
            setattr(content, field.name, None)
    for again in (replace(content), copy.copy(content), pickle.loads(pickle.dumps(content))):
        assert type(again) is EventContent and again == content and hash(again) == hash(content)
