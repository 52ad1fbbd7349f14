"""The bundled model: what the portraits' annotator and judge were made for."""

from pipeline.domains import portraits
from pipeline.errors import UserError
from pipeline.fingerprint import settings
from pipeline.models.pretrained import Model, find


def check_bundled(model: Model) -> None:
    """Raise UserError for any model but the bundled one, wherever it lies: what labels here has only ever seen its portraits."""
    if settings(model) != settings(find(str(portraits.MODEL))):
        raise UserError(
            f"{model.name} is not the bundled model. Who labels and judges here,\n"
            "as 'portraits', a network for drawings, knows no other: its scores of other images would mean nothing.\n"
            "For any other model: python -m jobs.directions, where you name who labels and who judges."
        )
