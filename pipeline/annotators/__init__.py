"""Images -> scores. `ANNOTATORS` lists every annotator by name; `annotator.py` says what one is."""

from pipeline.annotators.mtcnn import Mtcnn
from pipeline.annotators.portraits import PortraitAnnotator, PortraitJudge

ANNOTATORS: dict[str, type] = {kind.name: kind for kind in (PortraitAnnotator, PortraitJudge, Mtcnn)}
