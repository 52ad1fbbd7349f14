"""How a job makes what is planned: on which workers, with which progress, and what Ctrl-C does."""

from collections.abc import Callable, Sequence

import typer

from jobs.printing import console, errors, tell_unsound
from jobs.progress import Job, Lines
from pipeline.engine.plan import StagePlan
from pipeline.engine.pool import InProcess, Pool
from pipeline.engine.ray_pool import RayPool
from pipeline.engine.ray_start import cluster_address
from pipeline.engine.runner import run
from pipeline.engine.store import Store


def make(plans: Sequence[StagePlan], store: Store, pool: Callable[[], Pool], job: Job) -> None:
    """Carry the plans out, with the progress of the job that they are of; Ctrl-C ends it cleanly."""
    tell_unsound(plans, store)
    store.prepare()
    try:
        with Lines(plans, job) as progress:
            run(plans, store, pool, progress)
    except KeyboardInterrupt:
        done = sum(each.stage.n_parts - len(store.missing(each.stage)) for each in plans)
        errors.print(
            f"\nStopped. {done} finished parts are kept in {store.root}; run the same command to go on from there."
        )
        raise typer.Exit(130) from None


def open_pool(workers: int | None, address: str | None) -> Pool:
    if workers == 0:
        return InProcess()
    cluster = cluster_address(address)
    console.print(f"Joining the cluster at {cluster} ..." if cluster else "Starting Ray ...")
    return RayPool(workers, address, console.print)
