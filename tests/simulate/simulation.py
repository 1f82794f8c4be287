"""One seed, played: a world, a history, faults; then the faults stop, and the oracle judges."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

import structlog
from sqlalchemy import bindparam, select, update

from hub.accounts import links
from hub.many import Many
from hub.models import Account, AccountState, Link, LinkState, Verdict
from hub.outbound import linking
from hub.plugin.types import EventContent
from tests.simulate import history
from tests.simulate.faults import LIES, Faults, Place
from tests.simulate.history import Step
from tests.simulate.kernel import Kernel
from tests.simulate.ledger import Ledger
from tests.simulate.onlooker import Onlooker
from tests.simulate.oracle import Oracle
from tests.simulate.people import People
from tests.simulate.worlds import SWEEP, TOPOLOGIES, SimWorld

SET_POLICY = Many(update(Link).where(Link.id == bindparam("link_id")))
_ACCOUNTS = select(Account).order_by(Account.id)
WORLDS: dict[str, SimWorld] = {}
REACHED: Counter[str] = Counter()
LASTING = {"revoke": 25.0, "pause": 10.0}
"""How long some steps take beyond their beginning."""
PAUSED = 60.0
"""The longest that a process may be frozen, a message be late, or an account wait by itself."""
REFUSED_TWICE = 2
"""So many refusals in a row of a sign-in, the second time of a fresh one, have an account wait by itself."""
FREEZING = frozenset({"pause", "pause_after", "late", "slow", "hangs", "hangs_after"})
APART = 5.0
"""Steps so far from others are done with before the next one begins."""
CALLS = 4
"""How many provider calls each step, edit and fault may cost, for each link (measured: 2.4 at most)."""
CALLS_POISONED = 40
"""How many calls may be made in vain while a provider does not answer as it should."""
TURNS = 30.0
"""Seconds that two calls of a provider that hangs may take."""
GLANCES = 2
"""How often somebody looks at what the hub tells of its links."""
POISON = ("hangs", "throttled", "busy", "raises", "slow")
"""What each call of a poisoned account may meet."""
OPTIONAL = ("busy", "filtered")
"""Topologies whose links show only a part."""
PLAIN = [name for name in TOPOLOGIES if name not in OPTIONAL]
SILENCING = frozenset({"subscribe", "renew"})
"""Where a fault may keep a notification away."""


@dataclass(frozen=True)
class Plan:
    """All that a run depends on: equal plans make equal traces."""

    seed: int
    topology: str
    steps: tuple[Step, ...]
    rate: float
    """How likely a fault is at each boundary; 0 for none but those of `faults`."""
    faults: Mapping[Place, str] | None = None
    """Set: these faults and no others."""
    started: float = 0.0
    """Seconds after the calendars were linked."""
    policies: tuple[str, ...] = ()
    page_size: int = 50
    skews: tuple[float, ...] = ()
    """How far each provider's clock is off."""
    poison: tuple[str, str] | None = None
    """A provider, and the fault that each of its calls meets until the end: others must not suffer (C11)."""

    def describe(self) -> str:
        return (
            f"seed {self.seed}: {self.topology}, policies {self.policies}, pages of {self.page_size}, "
            f"begun {self.started:.0f} s after linking, clocks off by {self.skews}, poison {self.poison}"
        )


@dataclass
class Outcome:
    """What came of a run."""

    plan: Plan
    violations: list[str]
    digest: str
    lines: list[str] | None
    played: dict[Place, str]
    passed: dict[str, int]
    calls: int
    writes: int
    actions: int
    reached: Counter[str]
    """What the hub says it has done, and conflicts by their field: proof that interesting cases are met."""

    def cells(self) -> Counter[tuple[str, str]]:
        """Return how often each kind of fault was played at each boundary."""
        return Counter((boundary, kind) for (boundary, _), kind in self.played.items())

    @property
    def caught(self) -> str | None:
        """The property that was broken first, by its name."""
        return self.violations[0].split(":")[0] if self.violations else None


def plan_of(seed: int) -> Plan:
    """Return the plan that a seed stands for."""
    rng = Random(seed)
    name = rng.choices(PLAIN, [6, 3, 2, 2, 1, 1, 2, 1])[0]
    if seed % 12 == 11:  # So that what the other seeds stand for does not hang on these.
        name = OPTIONAL[seed // 12 % len(OPTIONAL)]
    topology = TOPOLOGIES[name]
    places = [n for n, p in zip(topology.names(), topology.places, strict=True) if p.edited]
    if name == "import":
        places = [rng.choice(places)]  # What is edited on both sides of it never becomes equal.
    places += ["hub"] * (2 if topology.api else 0)
    length = rng.choice((1, 2, 3, 4, 6))
    acts = {"two_hubs": history.MOVES, "filtered": history.FITTING}.get(name, history.KINDS)
    steps = history.draw(rng, places, acts=acts, length=length, span=60.0, seldom=name != "two_hubs")
    if name == "two_hubs":
        steps = history.spread(steps, 100.0)
    links_there = len(topology.places)
    rate = rng.choice((0.0, 0.01, 0.02, 0.05))
    poison = (topology.places[-1].provider, rng.choice(POISON)) if name == "star" and not rate else None
    return Plan(
        seed,
        name,
        tuple(steps),
        rate=rate,
        started=rng.choice((0.0, 0.0, 0.0, 3500.0, 4 * 86400.0)),
        policies=tuple(rng.choice(("newest", "newest", "hub", "provider")) for _ in range(links_there)),
        page_size=rng.choice((1, 2, 3, 50)),
        skews=tuple(rng.choice((0.0, 0.0, 0.0, -600.0, 600.0)) for _ in range(links_there)),
        poison=poison,
    )


def world_of(topology: str) -> SimWorld:
    """Return the world of a topology, which is built once in each process."""
    if topology not in WORLDS:
        _listen()
        WORLDS[topology] = SimWorld(TOPOLOGIES[topology])
    return WORLDS[topology]


def play(plan: Plan, *, keep: bool = False) -> Outcome:
    """Run a plan to its end and judge it."""
    world = world_of(plan.topology)
    rng = Random(plan.seed + 1)
    kernel = Kernel(Random(rng.random()), keep=keep)
    chance = Random(rng.random())
    faults = Faults(chance if plan.faults is None else None, plan.rate, plan.faults)
    _listen()
    world.reset(kernel, faults, rng, started=plan.started)
    ledger = Ledger()
    oracle = Oracle(world, ledger)
    run = _Run(world, kernel, faults, ledger, oracle, plan)
    try:
        run.live()
        run.rest()
    except AssertionError as error:
        oracle.fail(str(error))
    finally:
        kernel.drop_all()
    return Outcome(
        plan, oracle.violations, kernel.digest(), kernel.lines, faults.played, dict(faults.passed),
        world.calls(), world.writes(), ledger.actions, REACHED + oracle.conflict_fields(),
    )  # fmt: skip


def _listen() -> None:
    """Count what the hub logs, by the names of its events, and print none of it."""
    REACHED.clear()

    def count(logger: Any, method: str, entry: dict[str, Any]) -> dict[str, Any]:
        REACHED[entry["event"]] += 1
        raise structlog.DropEvent

    structlog.configure(processors=[count], cache_logger_on_first_use=False)


@dataclass
class _Run:
    world: SimWorld
    kernel: Kernel
    faults: Faults
    ledger: Ledger
    oracle: Oracle
    plan: Plan

    def live(self) -> None:
        """Let people and faults do what they do."""
        world, plan = self.world, self.plan
        self.faults.on = False
        for service, skew in zip(world.services.values(), plan.skews, strict=False):
            service.clock = world.provider_clock(skew)
            service.page_size = plan.page_size
        world.policies = dict(zip(world.links, plan.policies, strict=True))
        with world.db.transaction() as session:
            policies = [{"link_id": world.links[n], "policy": p} for n, p in world.policies.items()]
            SET_POLICY.execute(session.connection(), policies)
        self.faults.on = True
        world.wire.poison = plan.poison
        onlooker = self.onlooker = Onlooker(world, self.oracle.fail)
        people = self.people = People(world, self.ledger, self._alone())
        self.begin = self.kernel.now
        for step in plan.steps:
            self.kernel.spawn(f"p{step.n}", lambda s=step: people.play(s), step.at)
        # What grew old since the calendars were linked is for the first beat to find.
        self.kernel.spawn("beat", self._beat, 0.5 if plan.started else 7.0)
        last = max((s.at + LASTING.get(s.kind, 0.0) for s in plan.steps), default=0.0)
        chance = Random(plan.seed + 2)
        for _ in range(GLANCES if plan.steps else 0):
            at = chance.choice(plan.steps).at + chance.random() * 3.0
            self.kernel.spawn("onlooker", onlooker.glance, at)
        self.kernel.run(self.begin + last + (5.0 if plan.poison is None else 15.0))
        if plan.poison is not None:
            self._isolation(plan.poison[0])

    def _isolation(self, poisoned: str) -> None:
        """Check that the others are in step.

        What came from the poisoned one at this moment gets its time, and where all is listed anew, one link
        after the other, its turn may have to end first.
        """
        found = self.oracle.strays(poisoned)
        is_new = any(link.imported_at is None for link in self.world.link_rows().values())
        if found:
            self.kernel.run(self.kernel.now + (TURNS if is_new else 2.0))
            found = self.oracle.strays(poisoned)
        for stray in found:
            self.oracle.fail(stray)

    def _alone(self) -> frozenset[int]:
        """Return the steps that have nothing else near them, no fault, and no other link at rest."""
        plan = self.plan
        if plan.rate or plan.faults or plan.poison or any(s.kind in LASTING for s in plan.steps):
            return frozenset()
        near = {s.n for s in plan.steps for o in plan.steps if s is not o and abs(s.at - o.at) < APART}
        return frozenset(s.n for s in plan.steps) - near

    def _beat(self) -> None:
        """Ask for what the beat asks for, until the world is dropped."""
        while True:
            self.world.queue.hint("renew")
            for _ in range(2):
                self.world.queue.hint("sweep")
                self.kernel.wait(SWEEP)

    def rest(self) -> None:
        """Stop the faults and see whether everything comes right by itself, and then stays so.

        Where nothing went wrong, the hints alone must have done it; otherwise two sweeps have to.
        """
        self.faults.on = False
        self.world.wire.poison = None
        if self.faults.played or self.plan.poison:
            self._mend()
        self._decide()
        hub = self.oracle.judge()
        self._unexpected()
        self._frugal()
        if not self.oracle.violations:
            self._stays_quiet(hub)

    def _mend(self) -> None:
        kinds = set(self.faults.played.values()) | set(self.plan.poison or ())
        is_late = kinds & FREEZING or Counter(self.faults.played.values())["token_refused"] >= REFUSED_TWICE
        self.kernel.run(self.kernel.now + (PAUSED if is_late else 0.0))
        if self.world.silenced or any(boundary in SILENCING for boundary, _ in self.faults.played):
            # What nobody tells of is found by the next look at a silent calendar.
            self.kernel.now += self.world.settings.poll_interval * 1.25
        self.kernel.run(self.kernel.now + 2 * SWEEP + 5.0)
        self._reconnect()
        self._resume()
        if kinds & LIES or self.world.unseen:
            self._ask_again()

    def _reconnect(self) -> None:
        """The person does what the hub asks for where an account is not connected, or soon will ask."""
        with self.world.look() as session:
            accounts = session.scalars(_ACCOUNTS).all()
        lost = [
            a.provider
            for a in accounts
            if a.state != AccountState.CONNECTED or a.provider in self.world.withdrawn
        ]
        for provider in lost:
            self.kernel.spawn("person", lambda name=provider: self.people.reconnect(name))
        if lost:
            self.kernel.run(self.kernel.now + SWEEP)

    def _resume(self) -> None:
        """The person resumes what rests still, since a process died that was told to pause or resume it."""
        resting = [name for name, link in self.world.link_rows().items() if link.state == LinkState.PAUSED]
        for name in resting:
            self.kernel.spawn("person", lambda name=name: self.people.resume(name))
        if resting:
            self.kernel.run(self.kernel.now + SWEEP)

    def _decide(self) -> None:
        """A person looks at deletions that were held back, link by link."""
        verdict = Verdict.APPLY if self.plan.seed % 2 else Verdict.REJECT
        for _ in range(len(self.world.links)):
            held = [name for name, link in self.world.link_rows().items() if link.held_at is not None]
            if not held:
                return
            self.onlooker.glance()
            self.kernel.spawn("person", lambda name=held[0]: self.people.decide(name, verdict))
            self.kernel.run(self.kernel.now + 10.0)

    def _ask_again(self) -> None:
        """A person asks for another try where the hub says that it needs one."""
        with self.world.db.transaction() as session:
            for link in session.scalars(select(Link).order_by(Link.id)):
                if link.state == LinkState.STOPPED:
                    linking.resume(session, self.world.ports, link)
                full = link.id in {self.world.links[name] for name in self.world.unseen}
                links.sync_now(session, self.world.ports, link, full=full)
        self.kernel.spawn("person", self.world.queue.run_here)
        self.kernel.run(self.kernel.now + 2 * SWEEP)

    def _unexpected(self) -> None:
        for name, error in self.kernel.errors:
            if not self.faults.played or not _is_played(error):
                self.oracle.fail(f"C9: {name} raised {type(error).__name__}: {error}")

    def _frugal(self) -> None:
        """Check that the calls are bounded by what has happened (C8)."""
        happened = self.ledger.actions + len(self.plan.steps) + len(self.faults.played) + 1
        most = CALLS * len(self.world.links) * happened + (CALLS_POISONED if self.plan.poison else 0)
        if self.onlooker.calls > most:
            self.oracle.fail(f"C8: {self.onlooker.calls} provider calls, and {most} would be many")

    def _stays_quiet(self, before: dict[str, EventContent]) -> None:
        """List everything anew, as after a lost cursor: nothing may be written (C5, C6)."""
        writes = self.world.writes()
        with self.world.db.transaction() as session:
            for link_id in self.world.links.values():
                linking.ask_for_pull(session, self.world.ports, link_id, fresh=True)
        self.kernel.spawn("person", self.world.queue.run_here)
        self.kernel.run(self.kernel.now + 10.0)
        if self.world.writes() != writes:
            self.oracle.fail(f"C5: {self.world.writes() - writes} writes in a quiet system")
        if self.oracle.hub() != before:
            self.oracle.fail("C6: a full listing changed the hub although nothing had changed")


def _is_played(error: BaseException) -> bool:
    """Whether an error that reached the top of a task is one that the faults have played."""
    return "OperationalError" in type(error).__name__
