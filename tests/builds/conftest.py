"""Tables whose models come from files: written into the test's own folder, one layer of the kind that each needs."""

import pytest

LINEAR = """\
summary = "one layer"
input   = [4, 1, 1]
{more}
[implementations]
{columns}

[[layers]]
kind  = "linear"
sizes = {{ in = 4, out = 3 }}
{cells}
"""


@pytest.fixture
def table(tmp_path):
    """Writes a table of one dense layer; ``columns`` give each column's inline table, all cells are ``fc``."""

    def write(columns, folder=".", more="", name="net.toml", cells=None):
        place = tmp_path / folder
        place.mkdir(exist_ok=True, parents=True)
        named = {**dict.fromkeys(columns, "fc"), **(cells or {})}
        text = LINEAR.format(
            more=more,
            columns="\n".join(f'"{column}" = {said}' for column, said in columns.items()),
            cells="\n".join(f'"{column}" = "{cell}"' for column, cell in named.items()),
        )
        path = place / name
        path.write_text(text)
        return path

    return write
