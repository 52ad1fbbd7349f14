"""Where a direction came from, as a sentence that a person reads."""

from pipeline.catalog.explorer.findings import Findings
from pipeline.catalog.explorer.groups import Row
from pipeline.catalog.templates import amount, percent, signed, words
from schemas.catalog import in_words


def provenance(findings: Findings, row: Row) -> str:
    """Say in sentences what it was made from, by which method and stage, and where it is added."""
    sampling = findings.catalog.sampling
    parts = [_found(findings, row)]
    if row["parents"]:
        parts.append(_projected(row))
    eta = f"eta = {sampling.eta:g}" if isinstance(sampling.eta, float | int) else "eta by step"
    parts.append(
        f"It has a vector for each of {sampling.steps} steps ({eta}, seed {sampling.seed}), and is added to "
        f"{in_words(row['capture'])}."
    )
    parts.append(f"The stage {row['stage']} made it.")
    return " ".join(parts)


def _found(findings: Findings, row: Row) -> str:
    n, found_in = f"{row['n']:,}" if row["n"] else "", findings.catalog.sampling.found_in
    method = words(row["method"])
    if row["attribute"] is not None:
        by = f" by {row['annotator']}" if row["annotator"] else ""
        return f"Found by {method} from the scores of {words(row['attribute'])}{by} on {n or 'all'} {found_in}{_sides(row)}."
    if row["mask"] is None:
        which = f"number {row['component']} of " if row["component"] is not None else ""
        return f"Found without labels: {which}{method} of h, on {n or 'all'} {found_in}."
    region = "the whole image" if row["mask"] == "image" else f"the region {words(row['mask'])}"
    if row["sample_id"] is None:
        return (
            f"Found without labels, from the Jacobian for {region}: what the subspaces of {n} samples share; "
            f"{percent(row['share'])} of it lies in one of them on average."
        )
    return (
        f"Found without labels, from the Jacobian for {region}, on sample {row['sample_id']} at step {row['step']} "
        f"(singular value {amount(row['singular_value'])}); it stands for {row['found']} singular vectors that are nearly the same."
    )


def _sides(row: Row) -> str:
    if not row["n_positive"]:
        return ""
    high, low = signed(row["threshold_positive"]), signed(row["threshold_negative"])
    return f", the {row['n_positive']} highest (from {high}) against the {row['n_negative']} lowest (to {low})"


def _projected(row: Row) -> str:
    others = [words(each.split("/")[0]) for each in row["parents"][1:]]
    named = ", ".join(dict.fromkeys(others)) or "nothing"
    how = " step by step" if row["projected_by"] == "step" else ""
    return f"What it shared with {named} was projected away{how}; {percent(row['norm_kept'])} of its norm is left."
