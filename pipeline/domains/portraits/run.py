"""The bundled portraits as a run: what `make demo` makes, and the defaults of its job."""

from schemas.run import Run

PORTRAITS = Run(
    model="portraits",
    annotator="portraits",
    judge=("portraits-judge", "mtcnn"),
    attributes=("smile", "glasses", "age", "gender", "yaw"),
    region=("image", "eyes", "mouth"),
    foreground="head",
    jacobians=4,
    capture=("mid_block",),
)
