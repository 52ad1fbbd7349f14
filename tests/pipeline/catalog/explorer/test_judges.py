from dataclasses import replace

from tests.pipeline.catalog.planted_findings import captioned, planted, section, sections


def test_a_further_judge_has_a_table_a_group_at_the_strengths_of_the_first():
    judges = section(planted(), "judges")
    assert [each.text for each in judges.all("caption")] == [
        "second: ridge, disentangled",
        "second: mean difference, disentangled",
    ]
    smile = captioned(judges, "second: ridge, disentangled")["smile"]
    assert {name: cell.text for name, cell in smile.items()} == {"γ": "−2", "mouth width": "+0.20"}
    assert "pale" in smile["mouth width"].classes and "target" not in smile["mouth width"].classes


def test_without_a_further_judge_there_is_no_section():
    alone = [replace(each, judges=("judge",)) for each in planted().measured]
    assert "judges" not in sections(replace(planted(), measured=alone))
