"""Tables of other programs: their columns, as they stand there."""

from pipeline.formats.tables import read_columns


def test_columns_of_text_hold_what_stands_there(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text('a, b ,"c,d"\n01, x ,\n\n1e3,y,"1\n2"\n')
    columns = read_columns(path)
    assert columns.names == ("a", "b", "c,d") and columns.rows == 2
    assert [cells.to_pylist() for cells in columns.cells] == [["01", "1e3"], [" x ", "y"], ["", "1\n2"]]
