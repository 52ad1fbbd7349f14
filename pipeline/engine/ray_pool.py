"""Ray: a pool of workers that make parts, some with a GPU where there are any, and the others without.

The pool has its own idea of what fails, and Ray tries nothing again: an attempt at a part ends when its worker answers, dies or is
late, and the next one is made by another worker.
"""

import time
from collections import deque
from contextlib import ExitStack
from typing import Any

from pipeline.engine.attempts import Attempts, Order
from pipeline.engine.crew import Crew, Member
from pipeline.engine.crews import Crews
from pipeline.engine.limits import Limits
from pipeline.engine.pace import Pace
from pipeline.engine.pool import Task
from pipeline.engine.progress import Progress
from pipeline.engine.ray_errors import check_found, first_line, known_dead, last_line, lost, unable
from pipeline.engine.ray_start import cluster_address, connected, look_at
from pipeline.engine.ray_worker import Turns
from pipeline.engine.stage import Stage
from pipeline.engine.store import Store
from pipeline.engine.worker import Failure, Outcome
from pipeline.errors import UserError


class RayPool:
    """One actor a GPU, for stages that want one, and one a CPU for the others, each keeping its models loaded.

    Workers are hired for what there is to do, as the cluster has room for them, at most `workers` of each kind; what it has no room
    for is asked of it, so that it may grow. Machines that come are used, and those that go are survived. Where all is of one kind,
    it does everything. A part waits for a worker of its kind alone, and behind those of its kind that were submitted before it.

    Memory is Ray's to know and not its to give: an actor outlives the parts that it makes. A part that no machine has room for is
    refused by `run` before any work; others begin while what is being made leaves room for them, over all machines together.

    Parts are deterministic and appear whole, so making one twice is harmless: one whose worker died, stopped or is late is made
    again by another, and what is done first counts. A part that its workers die of is given up and named, and so are the parts of
    a stage that cannot be loaded. What a stage raises is its answer, and not tried again.

    audience: told what is waited for, and what is begun again.
    """

    def __init__(
        self,
        workers: int | None = None,
        address: str | None = None,
        audience: Progress = Progress(),  # noqa: B008
        limits: Limits = Limits(),  # noqa: B008
    ):
        with ExitStack() as opening:
            self.ray = opening.enter_context(connected(address, workers, audience.say))
            self.crews = Crews(self.ray, cluster_address(address) is None, workers, audience.say, limits)
            self._open = opening.pop_all()  # what `close` ends
        self.audience = audience
        self.limits, self.attempts, self.pace = limits, Attempts(limits), Pace(limits)
        self.awaited: dict[Any, Member] = {}  # by the references of their answers
        self.done: deque[tuple[Task, Outcome]] = deque()
        self.in_vain: dict[tuple[Stage, Store], Failure] = {}  # stages whose other parts would fail alike
        self._pickled: dict[int, tuple[Stage, bytes]] = {}  # by their keys
        self._in_use = 0  # bytes of memory, by what is being made
        self.store: Store | None = None  # of the last run
        self._failed_starts = 0
        self._refusing: dict[str, str] = {}  # machines that cannot work with the store, and why
        self._reviewed = 0.0

    @property
    def memory(self) -> float:
        """Bytes of the largest machine."""
        return self.crews.cluster.memory

    @property
    def size(self) -> int:
        """How many workers there is room for now."""
        return self.crews.size

    def submit(self, task: Task, store: Store) -> None:
        crew = self.crews.of(task[0])
        crew.waiting.append(Order(*task, store))
        self.store = store
        if crew.idle:
            self._begin(crew)

    def next_done(self) -> tuple[Task, Outcome]:
        while not self.done:
            self.awaited.update(self.crews.hire())
            if time.monotonic() > self._reviewed + self.limits.review:
                self._review()
            for crew in self.crews:
                self._begin(crew)
            if not self.done:
                self._wait()
        return self.done.popleft()

    def close(self) -> None:
        self._open.close()

    # What is begun

    def _begin(self, crew: Crew) -> None:
        """Give parts that wait to workers that are idle. What is first waits until there is memory for it."""
        while crew.idle and (orders := self._next_of(crew)):
            self._give(crew.idle.pop(), orders)

    def _next_of(self, crew: Crew) -> list[Order]:
        """Take the parts to begin next: one, or several short ones of a stage. What need not or cannot be made is done with."""
        while crew.waiting and self._settled(crew.waiting[0]):
            crew.waiting.popleft()
        if not crew.waiting:
            return []
        first = crew.waiting[0]
        needed = first.stage.resources.memory
        if needed and self._in_use and needed > self.crews.cluster.all_memory - self._in_use:
            return []
        share = -(-len(crew.waiting) // (2 * len(crew.members)))
        most = 1 if first.alone or needed else min(self.pace.chunk(first.stage), share)
        orders = [crew.waiting.popleft()]
        while len(orders) < most and crew.waiting and crew.waiting[0].goes_with(first):
            orders.append(crew.waiting.popleft())
        return orders

    def _settled(self, order: Order) -> bool:
        """Whether nothing is to be begun for an order: another attempt was faster, or its stage fails at every part."""
        failure = self.in_vain.get((order.stage, order.store)) if self.in_vain else None
        if not (order.done or failure):
            return False
        order.open -= 1
        if failure and not order.done:
            self._finish(order, failure)
        return True

    def _give(self, member: Member, orders: list[Order]) -> None:
        stage, store = orders[0].stage, orders[0].store
        key = id(stage)
        if key not in self._pickled:
            self._pickled[key] = stage, self.ray.cloudpickle.dumps(stage)
        pickled = None if key in member.told else self._pickled[key][1]
        member.told.add(key)
        member.begin(orders)
        self._in_use += member.memory
        self.awaited[member.actor.make.remote(key, [order.part for order in orders], store, pickled)] = member

    # What is answered

    def _wait(self) -> None:
        """Wait for an answer, and take it and all others that are there."""
        references = list(self.awaited)
        if not references:
            time.sleep(self.limits.review)
            return
        answered, _ = self.ray.wait(references, num_returns=1, timeout=self.limits.review)
        if answered and len(references) > 1:
            answered, _ = self.ray.wait(references, num_returns=len(references), timeout=0)
        for reference in answered:
            if member := self.awaited.pop(reference, None):  # None where it was let go on the way
                self._answered(member, reference)

    def _answered(self, member: Member, reference: Any) -> None:
        self._in_use -= member.memory
        orders = member.end()
        try:
            answer = self.ray.get(reference)
        except self.ray.exceptions.RayError as error:
            self._failed(member, orders, error)
            return
        if isinstance(answer, Turns):
            self._made(member, orders, answer)
            return
        member.place, self._failed_starts = answer, 0
        if answer.refusal and member.store is self.store:
            self._refuses(member, answer.refusal)
        else:
            member.crew.idle.append(member)

    def _made(self, member: Member, orders: list[Order], answer: Turns) -> None:
        member.loaded = answer.loaded
        turns = answer.turns
        if turns and isinstance(refused := turns[-1].outcome, Failure) and refused.unusable:
            self._refuses(member, refused.message)
            turns = turns[:-1]
        else:
            member.crew.idle.append(member)
        tried, untried = orders[: len(turns)], orders[len(turns) :]
        for order, turn in zip(tried, turns, strict=True):
            order.open -= 1
            self.pace.took(order.stage, turn.seconds, turn.loading)
            if not order.done:
                self.attempts.made(order)
                self._finish(order, turn.outcome)
        if (
            answer.in_vain
            and turns
            and turns is answer.turns
            and isinstance(failure := answer.turns[-1].outcome, Failure)
        ):
            self.in_vain[orders[0].stage, orders[0].store] = failure
        member.crew.waiting.extendleft(reversed(untried))

    def _refuses(self, member: Member, why: str) -> None:
        """A worker cannot work with the store: it is given nothing more, as its machine may be to blame.

        It keeps its place then, or another one would come to it. Raises UserError where nobody can: every part would fail alike,
        faster than others are made.
        """
        if member.place:
            self._refusing[member.place.node] = why
        self._check_refusals()
        self.audience.say(f"A worker is given nothing more, its parts go to other machines: {why}")

    def _check_refusals(self) -> None:
        """Raise UserError where several machines cannot work with the store, or all that there are and will soon be."""
        places = {each.place.node for each in self.crews.members if each.place}
        now = time.monotonic()
        coming = any(not each.place and now < each.since + self.limits.grace for each in self.crews.members)
        refusing = places & self._refusing.keys()
        if len(refusing) > max(1, len(places) // 10) or (refusing and refusing == places and not coming):
            raise UserError(self._refusing[refusing.pop()])

    def _finish(self, order: Order, outcome: Outcome) -> None:
        """A part is made, or will not be. Who is still at it is let go."""
        order.done = True
        self.done.append(((order.stage, order.part), outcome))
        if order.open:
            for member in [each for each in self.crews.members if order in each.orders]:
                if all(each.done for each in member.orders):
                    self._dismiss(member)

    # What goes wrong

    def _failed(self, member: Member, orders: list[Order], error: Exception) -> None:
        """A worker did not answer: it died, or its machine did, or Ray could not have it do what was asked."""
        check_found(error)
        if member.place is None:
            self._dismiss(member)
            self._not_started(member.crew, error)
        elif lost(error):
            self._dismiss(member)
            blamed = len(orders) == 1 and self._died_alone(member.place.node, error)
            for order in reversed(orders):
                self._again(member.crew, order, error, blamed)
        else:
            member.crew.idle.append(member)
            for order in orders:
                order.open -= 1
                if not order.done:
                    self._finish(order, Failure(f"Ray could not run it: {first_line(error)}", str(error), False))

    def _died_alone(self, node: str, error: Exception) -> bool:
        """Whether a worker is known to have died while its machine lives."""
        return known_dead(error) and any(each["NodeID"] == node and each["Alive"] for each in self.ray.nodes())

    def _again(self, crew: Crew, order: Order, error: Exception | str, blamed: bool = False) -> None:
        """Have a part made again whose worker was lost, unless it is to blame for that too often."""
        order.open -= 1
        order.alone = True
        if order.done or order.open:
            return
        if blamed and self.attempts.died(order):
            failure = Failure(f"its worker died {order.deaths} times: {first_line(error)}", str(error), False)
            if self.attempts.in_vain(order.stage):
                self.in_vain[order.stage, order.store] = failure
            self._finish(order, failure)
            return
        self._begin_again(order, first_line(error))
        if blamed:
            crew.put_back(order)
        else:
            crew.waiting.appendleft(order)

    def _not_started(self, crew: Crew, error: Exception) -> None:
        """A worker did not come to work. Raises UserError where nobody does, or where too many in a row did not."""
        self._failed_starts += 1
        nobody = not any(crew.present for crew in self.crews)
        if (nobody and unable(error)) or self._failed_starts > self.limits.starts:
            raise UserError(
                f"A worker could not start: {last_line(error)}\n"
                "Every machine of the cluster needs this project, its dependencies, and the same release of Python."
            ) from error
        if self._failed_starts > 2:
            crew.hire_after = time.monotonic() + self.limits.review

    def _dismiss(self, member: Member) -> None:
        """Let a worker go: nothing that it answers counts."""
        self._in_use -= member.memory
        member.end()
        member.crew.dismiss(member)
        for reference in [reference for reference, of in self.awaited.items() if of is member]:
            del self.awaited[reference]

    # What is looked at now and then

    def _review(self) -> None:
        self._reviewed = now = time.monotonic()
        self._check_refusals()
        for member in [*self.crews.review(), *self.crews.spare()]:
            self._dismiss(member)
        for member in self.crews.members:
            if member.orders:  # what was found of one before may have let this one go
                self._check_time(member, now - member.since)

    def _check_time(self, member: Member, elapsed: float) -> None:
        """Have made elsewhere, too, what is late; let go who is late twice over; look at who has been at it for long."""
        stage = member.orders[0].stage
        allowed = self.pace.allowed(stage, stage.fingerprint not in member.loaded, member.misses)
        allowed = allowed and allowed * len(member.orders)
        if allowed and elapsed > allowed and not member.late:
            member.late = True
            for order in reversed(member.orders):
                self._late(member.crew, order, elapsed)
        elif allowed and elapsed > 2 * allowed:
            orders = member.orders
            self._dismiss(member)
            for order in orders:
                self._again(member.crew, order, "it was late")
        elif elapsed > member.look:
            member.look = elapsed + max(self.limits.look, elapsed / 2)
            look_at(self.ray, self.crews.private, member.place)

    def _late(self, crew: Crew, order: Order, elapsed: float) -> None:
        """A part should have been done by now."""
        order.alone = True
        order.misses += 1
        if order.misses >= self.limits.attempts:
            self._finish(
                order,
                Failure(f"it was not done in {elapsed:.0f} s, nor in {order.misses - 1} attempts before", "", False),
            )
        elif order.open == 1:
            self._begin_again(order, f"it was not done in {elapsed:.0f} s")
            crew.waiting.appendleft(order)

    def _begin_again(self, order: Order, why: str) -> None:
        order.open += 1
        order.attempts += 1
        self.audience.retried((order.stage, order.part), order.attempts, why)
