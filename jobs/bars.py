"""The live lines of progress on a terminal: a bar a stage, with parts, parts a minute, and time."""

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from jobs.printing import console


def bars() -> Progress:
    """No bar yet."""
    name = TextColumn("{task.description}")
    columns = (name, BarColumn(), MofNCompleteColumn(), Rate(), TimeElapsedColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console)


class Rate(ProgressColumn):
    """Parts a minute, or how many a second of what a stage counts its work in."""

    def render(self, task: Task) -> Text:
        if task.speed and task.fields.get("unit"):
            return Text(f"{task.speed * task.fields['work']:,.0f} {task.fields['unit']}/s", style="dim")
        return Text(f"{task.speed * 60:.1f}/min" if task.speed else "", style="dim")
