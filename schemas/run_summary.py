"""run_summary.json: what a run was asked, what it has done, and how it ended. Jobs print the same object with `json`.

It lies in the root, is written at the end of every run, also of one that failed or was stopped, and is of the latest run there.
What a job found is beside these fields: of a catalog the recommended directions, the warnings and so on.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

SUMMARY_FILE = "run_summary.json"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StageSummary(_Strict):
    """What a run has made of a stage."""

    stage: str = Field(description="its folder: its name and fingerprint")
    title: str = Field(description="its name and what it is for")
    parts: int = Field(description="that it has in all")
    there: int = Field(description="of them, that were there before the run")
    made: int
    failed: int
    retried: int = Field(description="times that a part of it was begun again")
    seconds: float = Field(description="that its parts took, one after the other")
    seconds_by_phase: dict[str, float]
    bytes: int = Field(description="that its parts have written")


class FailureSummary(_Strict):
    """Parts of a stage that failed alike."""

    stage: str
    title: str
    parts: list[int]
    message: str
    worker: str = Field(description="host and process that the first of them failed in; empty where it died")
    traceback: str = Field(description="of the first of them; empty for what the user can mend")


class RunSummary(BaseModel):
    """The whole object."""

    model_config = ConfigDict(extra="allow", frozen=True)

    run: str = Field(description="its name: when it began, and a few random letters")
    command: list[str] = Field(description="as it was typed")
    settings: dict[str, Any] = Field(description="of the run, as they were understood; empty where they were not")
    settled: list[str] = Field(
        default=[],
        description="what was settled of the run by what it made first, in sentences: the dtype of its U-Net",
    )
    root: str
    workers: int | None
    address: str | None = Field(description="of the cluster")
    started: str = Field(description="UTC")
    ended: str = Field(description="UTC")
    seconds: float
    outcome: Literal["done", "failed", "stopped", "refused"] = Field(
        description="`refused`: nothing was begun; `stopped`: by Ctrl-C or a signal"
    )
    exit_code: int
    error: str | None = Field(description="why it did not end well")
    made: int = Field(description="parts")
    there: int = Field(description="parts that were there before the run")
    failed: int = Field(description="parts that were given up")
    not_started: int = Field(description="parts that were planned, and neither made nor given up")
    retries: int = Field(description="times that a part was begun again")
    bytes: int = Field(description="written")
    peak_memory: int = Field(description="bytes of RAM that a worker held at most")
    stages: list[StageSummary]
    failures: list[FailureSummary]
    events: str | None = Field(description="the log of the run's events, by its name in the root")
