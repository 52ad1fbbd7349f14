"""The bundled model: what the portraits' annotator and judge were made for."""

from dataclasses import replace
from pathlib import Path

from pipeline.domains import portraits
from pipeline.errors import UserError
from pipeline.fingerprint import settings
from pipeline.models import pretrained
from pipeline.models.hub import HUB_ID


def bundled(name: str) -> pretrained.Model:
    """The bundled model, wherever it lies. Raises UserError for any other: what labels here has only ever seen its portraits."""
    elsewhere = HUB_ID.fullmatch(name) and not Path(name).exists()
    found = None if elsewhere else pretrained.find(name)
    if found is None or settings(found) != settings(pretrained.find(str(portraits.MODEL))):
        what = "is no folder here and" if elsewhere else "is"
        raise UserError(
            f"{name} {what} not the bundled model. Who labels and judges here,\n"
            "as 'portraits', a network for drawings, knows no other.\n"
            "Their scores of other images would mean nothing. Leave `model` out, or wire a job as jobs/faces.py is,\n"
            "with an annotator that knows what your model shows: CONTRIBUTING.md says how to add one."
        )
    return replace(found, name="bundled portraits")
