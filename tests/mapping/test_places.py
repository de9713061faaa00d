"""Every key's line, so that a problem can be clicked on."""

from xframe.mapping.places import Places

TEXT = """\
name = "x"

[implementations]
"paddle/custom" = { build = "a:b" }

[[layers]]  # first
kind = "linear"

  [layers.only.bias]
  value = 0

[[layers]]
kind = 'conv2d'
"""


def test_headers_and_keys_have_their_lines():
    places = Places.of("x.toml", TEXT)
    assert places.describe(("name",)) == "x.toml:1 name"
    assert places.describe(("implementations", "paddle/custom")) == 'x.toml:4 implementations."paddle/custom"'
    assert places.describe(("layers", 0, "kind")) == "x.toml:7 layers[0].kind"
    assert places.describe(("layers", 0, "only", "bias", "value")) == "x.toml:10 layers[0].only.bias.value"
    assert places.describe(("layers", 1, "kind")) == "x.toml:13 layers[1].kind"


def test_a_key_that_is_not_there_has_the_line_of_what_encloses_it():
    places = Places.of("x.toml", TEXT)
    assert places.describe(("layers", 1, "torch")) == "x.toml:12 layers[1].torch"
    assert places.describe(("nothing",)) == "x.toml nothing"
