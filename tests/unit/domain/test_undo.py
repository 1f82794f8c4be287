"""Planning an undo: what nobody else has touched is as it was before, what others changed survives."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from hub.domain.undo import FIELDS, Line, State, content_of_state, plan_undo, state_of
from hub.plugin.codec import content_from_json

START = content_from_json({"when": {"start": "2026-12-07", "end": "2026-12-08"}, "title": "Lunch"})
PLAIN = ("title", "color", "description", "url")
WORDS = st.sampled_from(["", "a", "b", "c"])
Act = tuple[str, str, str]


class History:
    """An event, edited by a run and by others; keeps the log of the run as the hub would write it."""

    def __init__(self, *, exists: bool = True) -> None:
        self.state: State | None = state_of(START, {}) if exists else None
        self.lines: list[tuple[str, Line]] = []
        self.states: list[State | None] = [self.state]
        self.last: State = state_of(START, {})

    def act(self, who: str, what: str, value: str) -> None:
        if self.state is None:
            self.state = self.last if what == "restore" else None
            fields = {name: {"after": v} for name, v in self.last.items()}
            kind = "restored"
        elif what == "restore":
            return
        elif what == "delete":
            self.last, fields = self.state, {name: {"before": v} for name, v in self.state.items()}
            self.state, kind = None, "deleted"
        else:
            if self.state[what] == value:
                return
            fields = {what: {"before": self.state[what], "after": value}}
            self.state, kind = {**self.state, what: value}, "updated"
        if self.state != self.states[-1]:
            self.lines.append((who, Line(len(self.lines) + 1, kind, fields)))
            self.states.append(self.state)

    def of(self, who: str) -> list[Line]:
        return [line for author, line in self.lines if author == who]


def acts(*who: str) -> st.SearchStrategy[list[Act]]:
    kinds = st.sampled_from([*PLAIN, *PLAIN, "delete", "restore"])
    return st.lists(st.tuples(st.sampled_from(who), kinds, WORDS), max_size=12)


def played(story: list[Act], *, exists: bool = True) -> History:
    history = History(exists=exists)
    for who, what, value in story:
        history.act(who, what, value)
    return history


@given(acts("run"), st.booleans())
def test_what_only_a_run_has_changed_is_as_before_the_run(story: list[Act], exists: bool) -> None:
    history = played(story, exists=exists)
    plan = plan_undo(history.state, history.of("run"))
    assert plan.result == history.states[0]
    assert plan.kept == ()


@given(acts("run", "others"))
def test_going_back_to_a_version_takes_all_later_lines_back(story: list[Act]) -> None:
    history = played(story)
    for version, state in enumerate(history.states):
        later = [line for _, line in history.lines if line.seq > version]
        assert plan_undo(history.state, later).result == state


@given(st.lists(st.tuples(st.sampled_from(["run", "others"]), st.sampled_from(PLAIN), WORDS), max_size=12))
def test_fields_that_others_changed_last_survive_and_are_told(story: list[Act]) -> None:
    history = played(story)
    plan = plan_undo(history.state, history.of("run"))
    assert plan.result is not None and history.state is not None
    for name in PLAIN:
        touching = [(who, line) for who, line in history.lines if name in line.fields]
        mine = [line for who, line in touching if who == "run"]
        if not mine:
            assert plan.result[name] == history.state[name]
        elif touching[-1][0] == "others" and history.state[name] not in (
            *(line.fields[name]["after"] for line in mine),
            *(line.fields[name]["before"] for line in mine),
        ):
            assert plan.result[name] == history.state[name]
            assert name in {kept.field for kept in plan.kept}


@given(st.lists(st.tuples(st.sampled_from(["run", "others"]), st.sampled_from(PLAIN), WORDS), max_size=12))
def test_a_forced_undo_puts_back_what_was_there_before_the_run_first_touched_it(story: list[Act]) -> None:
    history = played(story)
    plan = plan_undo(history.state, history.of("run"), force=True)
    assert plan.result is not None
    assert plan.kept == ()
    for name in PLAIN:
        mine = [line.fields[name]["before"] for line in history.of("run") if name in line.fields]
        if mine:
            assert plan.result[name] == mine[0]


@given(acts("run"))
def test_an_undo_can_be_undone_and_done_twice_does_nothing_more(story: list[Act]) -> None:
    history = played(story)
    plan = plan_undo(history.state, history.of("run"))
    again = plan_undo(plan.result, history.of("run"))
    assert again.result == plan.result
    back = History()
    back.states = [history.state]
    line = _as_line(history.state, plan.result)
    assert plan_undo(plan.result, line).result == history.state


def _as_line(before: State | None, after: State | None) -> list[Line]:
    """Return the line that the hub logs when it brings an event from one state to another."""
    if before == after:
        return []
    if after is None:
        assert before is not None
        return [Line(99, "deleted", {n: {"before": v} for n, v in before.items()})]
    if before is None:
        return [Line(99, "restored", {n: {"after": v} for n, v in after.items()})]
    fields = {n: {"before": before[n], "after": after[n]} for n in FIELDS if before[n] != after[n]}
    return [Line(99, "updated", fields)]


def test_an_event_that_others_have_edited_is_not_deleted_by_undoing_its_creation() -> None:
    begun = {name: {"after": value} for name, value in {"when": _when(), "title": "Lunch"}.items()}
    edited: dict[str, Any] = {**state_of(START, {}), "title": "Brunch"}
    plan = plan_undo(edited, [Line(1, "created", begun)])
    assert (plan.action, [kept.field for kept in plan.kept], plan.kept[0].present) == (
        "none",
        ["deleted"],
        ["title"],
    )
    assert plan_undo(edited, [Line(1, "created", begun)], force=True).action == "delete"
    assert plan_undo(state_of(START, {}), [Line(1, "created", begun)]).action == "delete"


def test_an_edit_of_an_event_that_was_deleted_since_is_not_taken_back() -> None:
    line = Line(1, "updated", {"title": {"before": "a", "after": "b"}})
    plan = plan_undo(None, [line], force=True)
    assert (plan.action, [kept.field for kept in plan.kept]) == ("none", ["deleted"])


def test_a_time_is_put_back_as_one_and_a_text_with_its_formatting() -> None:
    before, after = _when(), {"start": "2026-12-09", "end": "2026-12-10"}
    state: dict[str, Any] = {**state_of(START, {}), "when": after, "description": "b"}
    fields = {
        "when": {"before": before, "after": after},
        "description": {"before": "a", "after": "b"},
        "description_html": {"before": "<b>a</b>", "after": None},
    }
    plan = plan_undo(state, [Line(1, "updated", fields)])
    assert plan.result is not None
    content = content_of_state(plan.result)
    assert (content.when, content.description, content.description_html) == (START.when, "a", "<b>a</b>")
    assert plan.changed == ("when", "description")


def _when() -> dict[str, str]:
    return {"start": "2026-12-07", "end": "2026-12-08"}


def test_an_answer_that_was_given_is_not_taken_back() -> None:
    present = dict(state_of(START, {})) | {"title": "After", "own_answer": "accepted"}
    fields = {
        "title": {"before": "Before", "after": "After"},
        "own_answer": {"before": "needs_action", "after": "accepted"},
    }
    plan = plan_undo(present, [Line(1, "updated", fields)], force=True)
    assert plan.result is not None
    assert (plan.result["title"], plan.result["own_answer"]) == ("Before", "accepted")
    assert plan.changed == ("title",)
