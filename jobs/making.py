"""How a job makes what is planned: on which workers, and who listens."""

from collections.abc import Callable, Sequence

from jobs.account import Account
from jobs.printing import console, tell_unsound
from jobs.progress import Job, Lines
from jobs.stopping import end_by_signal
from pipeline.engine.plan import StagePlan
from pipeline.engine.pool import InProcess, Pool
from pipeline.engine.progress import Counted, Several
from pipeline.engine.ray_pool import RayPool
from pipeline.engine.ray_start import cluster_address
from pipeline.engine.runner import run
from pipeline.engine.store import Store


class Making:
    """The making of a whole job, plan after plan, on one pool, to one audience."""

    def __init__(self, plans: Sequence[StagePlan], account: Account) -> None:
        self.job = Job(sum(each.work for each in plans), parts=sum(len(each.todo) for each in plans))
        self.account = account
        self.audience = Several(account, Counted())

    def make(self, plans: Sequence[StagePlan], store: Store, pool: Callable[[], Pool]) -> None:
        """Carry out plans of the job."""
        tell_unsound(plans, store)
        store.prepare()
        self.account.begin(plans, store)
        with Lines(plans, self.job) as lines, self.audience.joined_by(lines):
            run(plans, store, pool, self.audience)

    def open_pool(self, workers: int | None, address: str | None) -> Pool:
        if workers == 0:
            return InProcess()
        cluster = cluster_address(address)
        console.print(f"Joining the cluster at {cluster} ..." if cluster else "Starting Ray ...")
        pool = RayPool(workers, address, self.audience)
        end_by_signal()  # again: Ray has put a handler of its own in place
        return pool
