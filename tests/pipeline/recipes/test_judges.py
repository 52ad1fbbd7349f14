"""Who may judge: who scores what is wanted, is told from the others by name, and did not label."""

import pytest

from pipeline.annotators import attributes
from pipeline.annotators.registry import annotator
from pipeline.domains.portraits.run import PORTRAITS
from pipeline.errors import UserError
from pipeline.recipes.judges import check_judges


def _light(images):
    return images.mean(axis=(1, 2, 3))


def _dark(images):
    return 255 - images.mean(axis=(1, 2, 3))


LABELS = attributes("a", "b", name="labels")(_light)
JUDGE = attributes("a", name="judge")(_dark)
AGAIN = attributes("b", name="again")(_light)  # who labels, under another name
SEEN = attributes("seen", presence="seen", name="looks")(_dark)


def test_a_judge_of_its_own_may_judge():
    assert check_judges(LABELS, (JUDGE,), ("a", "b")) == ()
    assert check_judges(LABELS, (JUDGE, SEEN), ("a",)) == (), "who looks whether there is anything to see"


def test_the_bundled_judges_may():
    judges = tuple(map(annotator, PORTRAITS.judge))
    for wanted in (PORTRAITS.attributes or (), ("smile",), ()):
        assert check_judges(annotator("portraits"), judges, wanted) == ()


def test_without_attributes_any_judge_will_do():
    assert check_judges(LABELS, (attributes("other", name="judge")(_dark),), ()) == ()


def test_who_labels_may_judge_where_that_is_allowed_by_name():
    assert check_judges(LABELS, (LABELS,), ("a",), ("labels",)) == ("labels",)
    assert check_judges(LABELS, (JUDGE, AGAIN), ("a", "b"), ("again",)) == ("again",)


def test_a_judge_is_allowed_by_module_and_object_too(outside_plugs):
    judge = annotator("outside_plugs:Ink")
    assert check_judges(judge, (judge,), ("dark",), ("outside_plugs:Ink",)) == ("ink",)


@pytest.fixture
def outside_plugs(tmp_path, monkeypatch):
    from tests.pipeline.annotators.conftest import forget
    from tests.pipeline.annotators.outside import write

    monkeypatch.chdir(write(tmp_path))
    forget("outside_plugs", "outside_sibling")
    yield
    forget("outside_plugs", "outside_sibling")


def test_where_nobody_labels_judges_are_checked_all_the_same():
    assert check_judges(None, (LABELS, JUDGE), ()) == ()
    with pytest.raises(UserError, match="`allow_judge` jugde: no judge of this run is called so; there are judge"):
        check_judges(None, (JUDGE,), (), ("jugde",))
    with pytest.raises(UserError, match="are both called 'judge'"):
        check_judges(None, (JUDGE, attributes("a", name="judge")(_light)), ())


@pytest.mark.parametrize(
    ("judges", "wanted", "allowed", "message"),
    [
        ((), ("a",), (), "(?s)Nobody measures the edits: name a judge.*single network.*`allow_judge`"),
        ((LABELS,), ("a",), (), "(?s)'labels' labels the samples .* so it cannot judge.*single network.*`allow_judge`"),
        ((JUDGE, AGAIN), ("a", "b"), (), "'again' labels the samples"),
        ((JUDGE, AGAIN), ("a", "b"), ("judge",), "'again' labels the samples"),
        ((JUDGE,), ("a",), ("jugde",), "`allow_judge` jugde: no judge of this run is called so; there are judge"),
        ((JUDGE,), ("a",), ("labels",), "`allow_judge` labels: no judge of this run"),
        ((JUDGE,), ("b",), (), "'judge' scores none of b, .*\nIt scores a: name another judge, or leave it out"),
        ((JUDGE, attributes("c", name="more")(_dark)), ("a",), (), "'more' scores none of a"),
        ((SEEN, JUDGE), ("a",), (), "'looks' scores none of a, .*\n.*or name this one after another"),
        ((attributes("a", name="labels")(_dark),), ("a",), (), "_light and .*_dark are both called 'labels', .*\nGive"),
        ((JUDGE, attributes("a", name="judge")(_light)), ("a",), (), "are both called 'judge'"),
    ],
)
def test_who_may_not_judge_is_told_with_what_to_do(judges, wanted, allowed, message):
    with pytest.raises(UserError, match=message):
        check_judges(LABELS, judges, wanted, allowed)
