"""PrincipalComponents: the paper's global unsupervised directions, Sec. IV-A."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import UserError
from pipeline.pca import align_signs, principal_components
from pipeline.stage import Stage
from pipeline.stages.activations import read_steps
from pipeline.stages.finder import write_directions
from pipeline.stages.source import Source
from pipeline.store import Store


@dataclass(frozen=True)
class PrincipalComponents(Stage):
    """Direction j is the concatenation over steps of the j-th component, one standard deviation long at each step."""

    sample: Source
    k: int  # components

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"component-{j}/principal-components" for j in range(self.k))

    def check(self) -> None:
        if not 1 <= self.k <= self.sample.n // 2:
            raise UserError(
                f"{self.k} principal components of {self.sample.n} samples: expected 1 to half as many as samples."
            )

    def process(self, part: int, store: Store, loaded: None, out: Path) -> None:
        steps = [principal_components(h, self.k) for _, h in read_steps(store, self.sample)]
        vectors = align_signs(step.vectors for step in steps).reshape(self.k, self.sample.steps, *self.sample.h_shape)
        rows = [
            {
                "name": name,
                "method": "principal-components",
                "component": j,
                "n": self.sample.n,
                "explained_variance_ratio": [float(step.explained_variance_ratio[j]) for step in steps],
            }
            for j, name in enumerate(self.names)
        ]
        write_directions(out, self, dict(zip(self.names, vectors, strict=True)), rows)
