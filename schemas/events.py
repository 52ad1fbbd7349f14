"""events-RUN.jsonl: what happened in a run, one JSON object a line, in order; fields that do not apply are left out.

The log lies in the root beside the parts, and is brought up to date every few seconds: after a crash it ends shortly before it. It
is bounded: of very long runs the parts that were made are left out from some point on, and `ended` says how many.
"""

import pyarrow as pa

from schemas.columns import column

KINDS = {
    "begun": "the run begins: its command",
    "planned": "a stage has so many parts to make",
    "made": "a part is there",
    "retried": "a part is begun again",
    "failed": "a part was given up",
    "said": "what people should know, such as what is waited for",
    "ended": "the run ends: how, and why",
}

_KINDS = "; ".join(f"{name}: {what}" for name, what in KINDS.items())

EVENTS = pa.schema(
    [
        column("time", pa.string(), "When, by the clock of the machine that leads the run, UTC.", required=True),
        column("event", pa.string(), f"What happened. {_KINDS}.", required=True),
        column("stage", pa.string(), "The stage's folder: its name and fingerprint."),
        column("title", pa.string(), "The stage's name and what it is for."),
        column("part", pa.int32(), "Which part of it, from 0."),
        column("parts", pa.int32(), "Parts that are to be made; at the end, that were."),
        column("seconds", pa.float64(), "How long the part took, or the run.", "s"),
        *(
            column(f"{phase}_seconds", pa.float64(), f"Of these, {what}.", "s")
            for phase, what in {
                "load": "loading models",
                "read": "reading parts, and checking their bytes",
                "compute": "computing, and all else",
                "write": "writing files into the worker's scratch",
                "commit": "checking them and bringing them into the store",
            }.items()
        ),
        column("bytes", pa.int64(), "What the part has written.", "bytes"),
        column("memory", pa.int64(), "RAM that its worker held at most.", "bytes"),
        column("worker", pa.string(), "Who made it: host and process."),
        column("attempt", pa.int32(), "Which attempt is begun, from 2."),
        column("message", pa.string(), "In words."),
        column("exit_code", pa.int32(), "What the process ended with."),
        column("left_out", pa.int64(), "Events that this log has no room for."),
    ]
)
