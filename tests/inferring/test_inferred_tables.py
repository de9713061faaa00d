"""`infer` across frameworks and through the command line: what the hidden table moves, a column more, bad input."""

import shutil
from pathlib import Path

import pytest

from benchmarks.infer_catalogue import held, hidden
from xframe.errors import ModelError, UsageError
from xframe.mapping import load_table
from xframe.workflows.infer import InferOptions
from xframe.workflows.infer import infer as carry_out

FAULTS = Path(__file__).parents[1] / "faults"
PAIRS = [  # a slice of what `make infer` does
    ("lenet5", "paddle", "keras"), ("lenet5", "torch/fullconv", "tf"), ("lenet5_subsampling", "paddle", "torch"),
    ("mnist_cnn", "torch", "keras"), ("resnet18", "paddle/custom", "keras"), ("shufflenet_v2_x1_0", "paddle", "torch"),
    (str(FAULTS / "stacked.toml"), "paddle", "keras"), (str(FAULTS / "stacked.toml"), "torch", "keras"),
]  # fmt: skip


def inferred(pool, table, columns, out):
    sides = [f"{name}={table.implementations[name].build.said}" for name in columns]
    return carry_out(*sides, hidden(table, columns, out), pool=pool)


@pytest.mark.parametrize(("model", "source", "target"), PAIRS)
def test_the_table_that_was_hidden(pool, tmp_path, model, source, target):
    table = load_table(model)
    if "size" in table.options:
        table = load_table(model, {"size": 64})
    found = inferred(pool, table, (source, target), tmp_path / "inferred.toml")
    right, wrong, declared = held(table, found, (source, target))
    assert wrong == 0
    assert right
    lone = model == "resnet18"  # its custom stem has a bias that the others lack
    assert (declared, found.verdict) == ((1, "doubtful") if lone else (0, "inferred"))


def test_a_wrong_table_is_told_from_the_hidden_one(pool, tmp_path):
    """The comparison above can fail: two vectors of a batch norm exchanged in the inferred table."""
    table, columns, out = load_table("resnet18", {"size": 32}), ("paddle", "torch"), tmp_path / "inferred.toml"
    found = inferred(pool, table, columns, out)
    assert held(table, found, columns) == (122, 0, 0)
    text = out.read_text().replace('torch  = "bn1"', 'torch  = "layer1.0.bn1"')
    assert 'torch  = "layer1.0.bn1"' in text
    row = '[[layers]]\nkind   = "batch_norm"\nfor    = { i = "1..4", j = "0..1", k = "1..2" }\n'
    assert row in text
    crossed = text.replace(row, row.replace('k = "1..2"', 'k = ["2"]')) + _crossed()
    out.write_text(crossed)
    right, wrong, _ = held(table, found, columns)
    assert (right, wrong) == (122 - 8, 8)


def _crossed():
    """The first batch norm and that of the first block, each other's; the rest as it was."""
    others = [f"layer{i}.{j}.bn1" for i in range(1, 5) for j in range(2)][1:]
    rows = [("layer1.0.bn1", "bn1"), *zip(others, others, strict=True)]
    return "".join(f'\n[[layers]]\nkind = "batch_norm"\npaddle = "{one}"\ntorch = "{other}"\n' for one, other in rows)


def test_a_column_more(pool, tmp_path):
    """A linear layer of paddle and torch is one behind a flatten as soon as Keras comes in."""
    out = tmp_path / "digits.toml"
    table = load_table("lenet5_maxavg")
    first = inferred(pool, table, ("paddle", "torch"), out)
    assert 'kind   = "linear_after_flatten"' not in first.text
    keras = f"keras={table.implementations['keras'].build.said}"
    found = carry_out(str(out), keras, InferOptions(out=out), pool=pool)
    assert found.verdict == "inferred"
    again = load_table(str(out))
    assert list(again.implementations) == ["paddle", "torch", "keras"]
    assert held(table, found, ("paddle", "keras"))[1:] == (0, 0)
    assert held(table, first, ("paddle", "torch"))[1:] == (0, 0)  # by the table with the column more
    with pytest.raises(UsageError, match="has a column 'keras' already"):
        carry_out(str(out), keras, InferOptions(), pool=pool)


def test_the_command(cli, tmp_path):
    shutil.copytree(FAULTS / "nets", tmp_path / "nets", ignore=shutil.ignore_patterns("__pycache__"))
    sides = "torch=nets.inferred:Repeated", "torch/other=nets.inferred:RepeatedRenamed"
    done = cli("infer", *sides, "--input", "1x6", "--out", "mine.toml")
    assert done.returncode == 0, done.stderr
    assert "torch → torch/other  inferred" in done.stdout
    assert "equivalent by this table" in done.stdout
    again = cli("infer", *sides, "--input", "1x6", "--out", "mine.toml")
    assert (again.returncode, again.stdout) == (2, "")
    assert "mine.toml is there already" in again.stderr
    printed = cli("infer", "torch=nets.inferred:Sum", "torch/other=nets.inferred:Sum", "--input", "1x6")
    assert printed.returncode == 1
    assert printed.stdout.startswith('summary = "nets.inferred:Sum and nets.inferred:Sum"')
    assert "# doubtful: " in printed.stdout
    assert cli("port", "./mine.toml", "torch", "torch/other", "--out", "mine.npz").returncode == 0


def test_bad_input(pool):
    one, other = "torch=nets.inferred:Sum", "torch/other=nets.inferred:Sum"
    six = InferOptions(input=(6,))
    for sides, said in [
        ((one, one), "Both sides are called 'torch'"),
        ((one, "nets.inferred:Sum"), "A side is COLUMN=BUILD"),
        ((one, "jax=nets:Sum"), "Unknown framework 'jax'"),
    ]:
        with pytest.raises(UsageError, match=said):
            carry_out(*sides, six, pool=pool)
    with pytest.raises(UsageError, match="Expected --input with a batch"):
        carry_out(one, other, InferOptions(), pool=pool)
    with pytest.raises(UsageError, match="--set torhc:… is for a column that is not inferred here"):
        carry_out(one, other, InferOptions(input=(6,), set_one={"torhc": {"a": 1}}), pool=pool)
    with pytest.raises(ModelError):
        carry_out(one, "torch/other=nets.inferred:Nothing", six, pool=pool)
    with pytest.raises(ModelError, match=r"shapes cannot be multiplied.* It was given \d+x7\. Try: .* by --input"):
        carry_out(one, other, InferOptions(input=(7,)), pool=pool)


OURS = '''"""A network and the same under other names, with one cell that breaks a loop."""
from torch import nn


class Net(nn.Module):
    names = "conv norm block_0 block_1 block_2 fc"

    def __init__(self, classes=5, probabilities=False, bias=True):
        super().__init__()
        makes = [lambda: nn.Conv2d(3, 4, 3, bias=bias), lambda: nn.BatchNorm2d(4)]
        makes += [lambda: nn.Conv2d(4, 4, 3, padding=1)] * 3 + [lambda: nn.Linear(144, classes)]
        self.probabilities = probabilities
        for name, make in zip(self.names.split(), makes, strict=True):
            setattr(self, name, make())

    def forward(self, x):
        conv, norm, *blocks, head = (getattr(self, name) for name in self.names.split())
        x = norm(conv(x)).relu()
        for block in blocks:
            x = block(x).relu()
        x = head(x.flatten(1))
        return x.softmax(-1) if self.probabilities else x


class Other(Net):
    names = "stem bn a1 a2 last head"


class Even(Net):
    names = "stem bn a1 a2 a3 head"
'''
TABLE = """# My table, by hand.
summary = "mine"   # a summary
input   = [3, "size", "size"]

[options]
classes = 5
size = 8   # pixels

[sizes]
width = 4

[implementations]
torch = { build = "./ours.py:Net", options = ["classes"] }  # ours

# the stem: a convolution
[[layers]]
kind  = "conv2d"
sizes = { out = "width", in = 3, kh = 3, kw = 3 }  # 3 by 3
torch = "conv"  # the cell

# and its norm
[[layers]]
kind  = "batch_norm"
torch = "norm"

# three blocks
[[layers]]
kind  = "conv2d"
for   = { n = "0..2" }   # of them
torch = "block_{n}"

# the head
[[layers]]
kind  = "linear"
sizes = { out = "classes", in = 144 }  # of features
torch = "fc"
# the end
"""
KERAS = """import keras
from keras import layers


def net(classes=5):
    x = read = keras.Input((8, 8, 3))
    x = layers.Activation("relu")(layers.BatchNormalization(epsilon=1e-5, name="bn")(layers.Conv2D(4, 3, name="a")(x)))
    for number in range(3):
        x = layers.Conv2D(4, 3, padding="same", activation="relu", name=f"block_{number + 1}")(x)
    return keras.Model(read, layers.Dense(classes, name="fc")(layers.Flatten()(x)))
"""


@pytest.fixture
def hand_written(tmp_path):
    (tmp_path / "ours.py").write_text(OURS)
    (tmp_path / "theirs.py").write_text(KERAS)
    table = tmp_path / "mine.toml"
    table.write_text(TABLE)
    return table


def added(before, after):
    """The lines that are new; every old one is still there, in its order."""
    rest = iter(after.splitlines())
    new = []
    for line in before.splitlines():
        for found in rest:
            if found == line:
                break
            new.append(found)
        else:
            pytest.fail(f"{line!r} is gone")
    return [*new, *rest]


def test_a_column_more_keeps_comments_names_and_order(pool, hand_written):
    out = hand_written.with_name("more.toml")
    found = carry_out(
        str(hand_written), f"torch/b={hand_written.parent}/ours.py:Even", InferOptions(out=out), pool=pool
    )
    assert found.verdict == "inferred"
    assert added(TABLE, out.read_text()) == [
        '"torch/b" = { build = "./ours.py:Even" }', '"torch/b" = "stem"', '"torch/b" = "bn"', '"torch/b" = "a{n+1}"',
        '"torch/b" = "head"',
    ]  # fmt: skip
    assert out.read_text().index("# and its norm") > out.read_text().index('"torch/b" = "stem"')


def test_a_column_more_that_changes_rows(pool, hand_written):
    """The head becomes one behind a flatten. Keras's layers are looked at before the activation that they end in."""
    options = InferOptions(out=hand_written.with_name("more.toml"), set={"classes": 6})
    found = carry_out(str(hand_written), f"keras={hand_written.parent}/theirs.py:net", options, pool=pool)
    assert found.verdict == "inferred"
    text = options.out.read_text()
    assert 'kind  = "linear_after_flatten"\nsizes = { out = "classes", c = 4, h = 6, w = 6 }  # of features\n' in text
    assert 'keras = "block_{n+1}"\n' in text
    assert load_table(str(options.out)).options["classes"] == 5
    assert [line for line in TABLE.splitlines() if line not in text.splitlines()] == [
        'kind  = "linear"', 'sizes = { out = "classes", in = 144 }  # of features',
    ]  # fmt: skip


def test_a_column_more_that_divides_a_row_and_lacks_a_bias(pool, hand_written):
    """In another folder, so that the builds of the others have another path; and it gives probabilities."""
    (hand_written.parent / "sub").mkdir()
    options = InferOptions(
        out=hand_written.parent / "sub" / "more.toml", set_one={"torch/b": {"probabilities": True, "bias": False}}
    )
    found = carry_out(str(hand_written), f"torch/b={hand_written.parent}/ours.py:Other", options, pool=pool)
    assert [finding.doubt for finding in found.doubtful] == ["only torch has a bias"]
    assert bool(found.proof)
    table = load_table(str(options.out))
    assert [layer.names["torch/b"] for layer in table.layers] == ["stem", "bn", "a1", "a2", "last", "head"]
    assert table.layers[0].only["bias"][0] == {"torch"}
    assert table.implementations["torch/b"].output == "probabilities"
    text = options.out.read_text()
    assert text.count("# doubtful: ") == 1
    for kept in ("# My table, by hand.", "  # ours", "# three blocks", "# the head", "# the end", "  # the cell"):
        assert kept in text


def test_a_third_column_of_one_that_gives_probabilities(pool, hand_written):
    """It gives what the first does: probabilities, which the table says of it too."""
    hand_written.write_text(
        TABLE.replace('["classes"] }', '["classes"], with = { probabilities = true }, output = "probabilities" }')
    )
    options = InferOptions(out=hand_written.with_name("more.toml"), set_one={"torch/b": {"probabilities": True}})
    found = carry_out(str(hand_written), f"torch/b={hand_written.parent}/ours.py:Even", options, pool=pool)
    assert found.verdict == "inferred"
    assert load_table(str(options.out)).implementations["torch/b"].output == "probabilities"


def test_a_table_in_one_line_a_row_is_written_anew_and_says_so(pool, hand_written):
    """Whose rows are no sections of their own."""
    rows = ['{ kind = "conv2d", torch = "conv" }', '{ kind = "batch_norm", torch = "norm" }']
    rows += ['{ kind = "conv2d", for = { n = "0..2" }, torch = "block_{n}" }', '{ kind = "linear", torch = "fc" }']
    head, columns = TABLE[: TABLE.index("# the stem")].split("[options]")
    hand_written.write_text(f"{head}layers = [{', '.join(rows)}]\n[options]{columns}")
    options = InferOptions(out=hand_written.with_name("more.toml"))
    found = carry_out(str(hand_written), f"torch/b={hand_written.parent}/ours.py:Even", options, pool=pool)
    assert found.verdict == "inferred"
    assert any("written anew, without its comments" in note for note in found.notes)
    cells = [layer.names["torch/b"] for layer in load_table(str(options.out)).layers]
    assert cells == ["stem", "bn", "a1", "a2", "a3", "head"]


def test_what_the_table_says_itself_is_not_asked_for(pool, hand_written):
    side = f"torch/b={hand_written.parent}/ours.py:Even"
    for asked in ({"input": (3, 8, 8)}, {"tokens": 5}, {"axes": "sequence"}, {"output_axes": "sequence"}):
        with pytest.raises(UsageError, match="says itself what its models read"):
            carry_out(str(hand_written), side, InferOptions(**asked), pool=pool)


def test_the_printed_table_is_the_table(cli, hand_written):
    sides = "torch=./ours.py:Net", "torch/b=./ours.py:Even"
    done = cli("infer", *sides, "--input", "1x3x8x8", "--output-axes", "sequence")
    assert done.returncode == 0, done.stderr
    printed = hand_written.with_name("printed.toml")
    printed.write_text(done.stdout)
    table = load_table(str(printed))
    assert (len(table.layers), table.output_axes) == (6, "sequence")
    assert cli("check", "./printed.toml").returncode == 0
    wrong = cli("infer", *sides, "--input", "1x3x8x8", "--output-axes", "rows")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "--output-axes takes channels or sequence; found 'rows'" in wrong.stderr


def test_a_working_folder_that_cannot_be_written_to(pool, hand_written, monkeypatch):
    """Not even by root: /sys. The table goes nowhere, so that it is compared from a temporary folder."""
    sides = (
        f"{column}={hand_written.parent}/ours.py:{name}" for column, name in (("torch", "Net"), ("torch/b", "Even"))
    )
    monkeypatch.chdir("/sys")
    with pytest.raises(PermissionError, match="probe"):
        Path("probe").write_text("")
    found = carry_out(*sides, InferOptions(input=(3, 8, 8)), pool=pool)
    assert found.verdict == "inferred"
    assert bool(found.proof)
    assert f'build = "..{hand_written.parent}/ours.py:Net"' in found.text
