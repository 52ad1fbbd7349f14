"""How far both sides of `benchmarks.end_to_end` find the same.

Shapes: T steps, k components or singular vectors, D numbers of h at a step.
"""

from typing import Any

import numpy as np
import torch

from benchmarks._published import Work
from pipeline.engine.stage import Stage
from pipeline.engine.store import Store
from pipeline.estimators.selection import select
from pipeline.stages import reading
from pipeline.stages.finders.finder import read_directions

GAP = 0.02  # of a singular value, to both neighbours: components that are told apart


def equality(stages: dict[str, tuple[Stage, ...]], store: Store, work: Work) -> dict[str, float]:
    """All figures, of what our side made in a store, by part, and the other in its folder."""
    alike = selected_alike(stages["labelled"][0], store, work)
    return {
        "same_selected": float(np.mean(list(alike.values()))),
        **mean_differences(stages["directions"], alike, store, work),
        **components(stages["components"], store, work),
        **jacobians(stages["jacobians"][0], store, work),
    }


def selected_alike(labels: Any, store: Store, work: Work) -> dict[str, float]:
    """By attribute, the share of its positives and negatives that both sides took.

    Scores of one image are rounded differently in batches of other sizes, so that of two samples with nearly the same score at the
    border one side may take the one, and the other the other.
    """
    theirs = torch.load(work.folder / "scores.pt", weights_only=True).double().numpy()
    ours = labels.scores(store, work.annotator)[list(work.attributes)].to_numpy(np.float64)
    shares = {}
    for a, attribute in enumerate(work.attributes):
        one, other = select(ours[:, a], work.top), select(theirs[:, a], work.top)
        shared = [len(np.intersect1d(getattr(one, s), getattr(other, s))) for s in ("positives", "negatives")]
        shares[attribute] = sum(shared) / (2 * work.top)
    return shares


def mean_differences(finders: tuple[Stage, ...], alike: dict[str, float], store: Store, work: Work) -> dict[str, float]:
    """The smallest cosine of an attribute's directions, and the smallest where both took the same samples; 0 where nowhere."""
    rows, vectors = read_directions(store, finders)
    theirs = {a: torch.load(work.folder / f"direction-{a}.pt", weights_only=True) for a in work.attributes}
    cosines = {row["attribute"]: cosine(vectors[row["name"]], theirs[row["attribute"]].numpy()) for row in rows}
    same = [cosines[attribute] for attribute, share in alike.items() if share == 1]
    return {
        "cosine_of_mean_differences": min(cosines.values()),
        "cosine_of_the_same_samples": min(same, default=0.0),
    }


def components(finders: tuple[Stage, ...], store: Store, work: Work) -> dict[str, float]:
    """The smallest cosine of a component at a step, where it is told apart, and the smallest principal cosine of a step."""
    rows, vectors = read_directions(store, finders)
    ours = unit(np.stack([vectors[row["name"]] for row in rows]).reshape(work.components, work.steps, -1))
    found = torch.load(work.folder / "components.pt", weights_only=True)
    theirs = unit(found["components"].flatten(2).numpy())
    apart = told_apart(found["singular_values"].numpy())
    one_by_one = np.abs(np.einsum("ktd,ktd->kt", ours, theirs))
    subspaces = [principal_cosines(ours[:, t], theirs[:, t]).min() for t in range(work.steps)]
    return {
        "cosine_of_components": float(one_by_one[apart].min()),
        "components_told_apart": float(apart.mean()),
        "principal_cosine_of_components": float(min(subspaces)),
    }


def told_apart(S: np.ndarray) -> np.ndarray:
    """Which singular values (k, T) have a gap to both neighbours; of the last one that is not known."""
    gaps = -np.diff(S, axis=0) / S[:-1]
    before = np.concatenate([np.full((1, S.shape[1]), np.inf), gaps[:-1]])
    clear = np.minimum(gaps, before) > GAP
    return np.concatenate([clear, np.zeros((1, S.shape[1]), bool)])


def jacobians(stage: Stage, store: Store, work: Work) -> dict[str, float]:
    """How the other's singular vectors lie in our subspace, over all samples and steps, and what is known of both.

    The last one may be the next one's equal, which is not known here: its share inside stands apart.
    """
    parts = [reading.arrays(store, stage, "subspaces.safetensors", part) for part in range(stage.n_parts)]
    ours = {
        name: np.concatenate([part[name] for part in parts]) for name in ("vectors", "singular_values", "residuals")
    }
    theirs = {name: t.numpy() for name, t in torch.load(work.folder / "jacobians.pt", weights_only=True).items()}
    shape = (len(ours["vectors"]) * len(work.at), work.vectors, -1)
    pairs = zip(ours["vectors"].reshape(shape), theirs["vectors"].reshape(shape), strict=True)
    inside = np.stack([shares_inside(one, other) for one, other in pairs])
    error = np.abs(theirs["singular_values"] / ours["singular_values"] - 1)
    return {
        "jacobian_share_inside": float(inside[:, :-1].min()),
        "jacobian_share_of_the_last": float(inside[:, -1].min()),
        "jacobian_difference_of_S": float(error.max()),
        "jacobian_residual_ours": float(ours["residuals"].max()),
        "jacobian_residual_published": float(theirs["residuals"].max()),
    }


def shares_inside(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Of each row of theirs (k, D) the share, squared, that lies in the span of ours (k, D): (k,), 1 where all of it does."""
    basis = np.linalg.qr(ours.astype(np.float64).T)[0]
    return np.square(unit(theirs) @ basis).sum(axis=1)


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    x, y = a.ravel().astype(np.float64), b.ravel().astype(np.float64)
    return float(x @ y / np.linalg.norm(x) / np.linalg.norm(y))


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows.astype(np.float64), axis=-1, keepdims=True)


def principal_cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Of the subspaces that rows (k, D) span: (k,), 1 where a direction of one lies in the other."""
    bases = [np.linalg.qr(rows.astype(np.float64).T)[0] for rows in (a, b)]
    return np.linalg.svd(bases[0].T @ bases[1], compute_uv=False)
