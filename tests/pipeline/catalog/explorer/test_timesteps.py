from dataclasses import replace

from pipeline.catalog.explorer.findings import Findings
from tests.pipeline.catalog.planted_findings import charts, lines, planted, section, sections

AUC, NORM = "Classifier AUC by timestep", "Norm of directions by timestep"


def drawn(findings: Findings) -> dict[str, dict]:
    return charts(section(findings, "timesteps"))


def with_norms(norms: dict[str, list[float]]) -> Findings:
    found = planted()
    rows = [{**row, "norm_by_step": norms.get(row["method"], row["norm_by_step"])} for row in found.directions]
    return replace(found, directions=rows)


def test_the_auc_of_classifiers_is_as_planted_above_a_baseline_at_a_guess():
    auc = drawn(planted())[AUC]
    assert lines(auc) == {"smile": [0.6, 0.7, 0.8, 0.9], "age": [0.6, 0.7, 0.8, 0.9]}
    assert (auc["baseline"], auc["y"]["low"], auc["y"]["high"]) == (0.5, 0.5, 1.0)
    worse = planted()
    rows = [{**row, "auc_all_by_step": row["auc_all_by_step"] and [0.3, 0.4, 0.5, 0.6]} for row in worse.directions]
    assert drawn(replace(worse, directions=rows))[AUC]["y"]["low"] == 0.3


def test_steps_go_by_their_timesteps():
    x = drawn(planted())[AUC]["x"]
    timesteps = planted().catalog.sampling.timesteps
    assert x["ticks"] == [[step, str(timestep)] for step, timestep in enumerate(timesteps)]
    assert (x["low"], x["high"]) == (0, 3) and timesteps[0] > timesteps[-1]


def test_norms_are_those_of_the_mean_differences_before_disentangling():
    norms = drawn(with_norms({"mean-difference": [1.0, 2.0, 3.0, 4.0], "ridge": [9.0] * 4}))[NORM]
    assert lines(norms) == {"smile": [1.0, 2.0, 3.0, 4.0], "age": [1.0, 2.0, 3.0, 4.0]} and norms["y"]["low"] == 0
    assert [line["colour"] for line in norms["lines"]] == ["c0", "c1"]


def test_without_classifiers_there_are_norms_alone_and_without_either_no_section():
    found = planted()
    rows = [row for row in found.directions if row["method"] != "ridge"]
    assert list(drawn(replace(found, directions=rows))) == [NORM]
    ridge = [row for row in found.directions if row["method"] == "ridge"]
    assert lines(drawn(replace(found, directions=ridge))[NORM]) == {"smile": [1.0] * 4, "age": [1.0] * 4}
    assert "timesteps" not in sections(planted(wanted=()))
