"""Every fault of the list: how it is planted, and what must be said of it. Ids are those of docs/faults.md.

``python -m tests.faults.matrix --out docs/faults.md`` plants them all and writes the page.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

import numpy as np
import sequences
import spoilt
from fault import Fault
from planted import LAYERS, MEAN, SCALE, SHIFT, SIX, VARIANCE

SOURCE, TARGET = ("source",), ("target",)
WITH_KERAS = tuple(pair for pair in SIX if "keras" in pair)
TO_KERAS = tuple(pair for pair in SIX if pair[1] == "keras")
WITHOUT_KERAS_AS_TARGET = tuple(pair for pair in SIX if pair[1] != "keras")
GLOBAL = {"head": "global"}
GELU, LEAKY = {"activation": "gelu"}, {"activation": "leaky 0.01"}
UNMAPPED = {"modules": True}  # layers without a row
REFUSED = "refused"
UNMATCHED = "missing, unused"
BETAS = "betas=0.875:0.9375"  # a float32 holds them, so that nothing else differs
EXACT = f"weight_decay=0.125,{BETAS}"


NAMES = [
    Fault("A1", "a misspelt name in one column", REFUSED, "bn2", UNMATCHED, spoil=spoilt.misspell("bn2"),
          says=("did you mean",)),
    Fault("A2", "a bias that only the target has", REFUSED, "conv1", "missing", {"bias": False},
          spoil=spoilt.deny_bias("conv1"), ends=SOURCE),
    Fault("A3", "weight and bias of a batch norm exchanged", at="bn2", cause="swapped tensors",
          spoil=spoilt.swap_vectors(SCALE, SHIFT)),
    Fault("A3", "mean and variance of a batch norm exchanged", at="bn2", cause="swapped tensors",
          spoil=spoilt.swap_vectors(MEAN, VARIANCE)),
    Fault("A3", "bias and mean of a batch norm exchanged", at="bn2", cause="swapped tensors",
          spoil=spoilt.swap_vectors(SHIFT, MEAN)),
    Fault("A3", "two convolutions exchanged", at="conv2 / conv3", cause="swapped layers",
          spoil=spoilt.swap_layers("conv2", "conv3")),
    Fault("A3", "two batch norms exchanged", at="bn1 / bn2", cause="swapped layers",
          spoil=spoilt.swap_layers("bn1", "bn2")),
    Fault("A4", "tensors that have only their position", REFUSED, cause="names", weights=spoilt.number, ends=SOURCE,
          says=("these are not small's",)),
    Fault("A5", "a layer that the table leaves out", REFUSED, "square", UNMATCHED, spoil=spoilt.leave_out("square"),
          ends=TARGET),
    Fault("A6", "a loader that skips a tensor", REFUSED, "bn2", knobs={"loader": "skipping"}, ends=TARGET,
          options={"native": True}, says=("holds other values at",)),
    Fault("A6", "a loader that changes a tensor", REFUSED, "bn2", knobs={"loader": "changing"}, ends=TARGET,
          options={"native": True}, says=("holds other values at",)),
    Fault("A7", "one name for two layers, so no way back", REFUSED, "conv2", "table",
          spoil=spoilt.call_twice("conv3", "conv2"), says=("is used twice in the column",)),
    *(
        Fault("A8", f"a layer in a plain {container}", REFUSED, "square, blocks", f"{kind}, unregistered",
              {"listed": container}, ends=(end,), on=("paddle", "torch"),
              says=(r"blocks\[.*\]: in {there}, this Linear is in the forward pass but not registered",))
        for container in ("list", "tuple", "dict")
        for end, kind in (("source", "missing"), ("target", "unused"))
    ),
    Fault("A9", "out_features set once the layer was built", "equivalent", knobs={"declared": 10},
          says=("dense2: in {there}, its .* says 10, but its .* is",)),
    Fault("A9", "the same, and the table believes it", REFUSED, "dense2", "shape, declared", {"declared": 10},
          spoil=spoilt.size("dense2", out=10), says=("dense2: in {there}, its .* says 10, but its .* is",)),
]  # fmt: skip

LAYOUT = [
    Fault("B1", "a square linear not transposed", at="square", cause="missing transpose",
          spoil=spoilt.give_axes("i o", "o i", "square")),
    Fault("B2", "every matrix transposed, square or not", REFUSED, "dense1, dense2", "shape",
          spoil=spoilt.give_axes("i o", "o i", "dense1", "square", "dense2")),
    Fault("B3", "C,H,W against H,W,C: a plain linear behind the flatten", at="dense1", cause="flatten order",
          spoil=spoilt.call_kind("dense1", "linear"), pairs=WITH_KERAS, ends=TARGET),
    Fault("B3", "C,H,W against H,W,C: a flatten in the other order", at="dense1", cause="flatten order",
          knobs={"flatten": "other"}),
    Fault("B4", "in and out of a convolution exchanged", at="conv2", cause="permuted axes",
          spoil=spoilt.give_axes("o i h w", "i o h w", "conv2")),
    Fault("B4", "height and width of a kernel exchanged", at="conv2", cause="permuted axes",
          spoil=spoilt.give_axes("o i h w", "o i w h", "conv2")),
    Fault("B4", "height and width of a depthwise kernel exchanged", at="conv3", cause="permuted axes",
          base={"mixing": "depthwise"}, spoil=spoilt.give_depthwise_axes("o i h w", "o i w h", "conv3")),
    Fault("B4", "a depthwise kernel taken for a full one", REFUSED, "conv3", "shape", base={"mixing": "depthwise"},
          spoil=spoilt.call_kind("conv3", "conv2d"), pairs=WITH_KERAS, ends=TARGET),
    Fault("B5", "a bias of out × 1", REFUSED, "conv2", "shape", spoil=spoilt.stand_bias_up("conv2")),
    Fault("B8", "a tensor of another shape with as many values", REFUSED, "dense1", "shape",
          weights=spoilt.reshape("dense1", 8, 48), ends=SOURCE),
]  # fmt: skip

_R, _Z = ("r z n", "z r n"), ("z r n", "r z n")
_GRU, _LSTM = ("weight_ih", "weight_hh", "bias"), ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
_SQUARE = {"torch": ("out (heads key)", "(heads key) out"), "paddle": ("(heads key) out", "out (heads key)"),
           "keras": ("heads key out", "out heads key")}  # fmt: skip
SEQUENCE = [
    Fault("B2", "a square embedding transposed with the rest", at="embed", cause="missing transpose", tokens=True,
          spoil=sequences.respell("embed", ["weight"], torch=("vocabulary dim", "dim vocabulary"))),
    Fault("B6", "gates of a GRU in another framework's order", at="gru", cause="gate order", tokens=True,
          spoil=sequences.respell("gru", _GRU, torch=_R, keras=_Z)),
    Fault("B6", "gates of a GRU's input only in that order", at="gru", cause="gate order", tokens=True,
          spoil=sequences.respell("gru", _GRU[:1], torch=_R, keras=_Z)),
    Fault("B6", "gates of an LSTM in ONNX's order", at="lstm", cause="gate order", tokens=True,
          spoil=sequences.respell("lstm", _LSTM, torch=("i f g o", "i o f g"))),
    Fault("B6", "the two biases of a GRU exchanged", at="gru", cause="swapped tensors", tokens=True,
          spoil=sequences.exchange_sides, pairs=WITHOUT_KERAS_AS_TARGET),
    Fault("B6", "the two rows of Keras's bias of a GRU exchanged", at="gru", cause="side order", tokens=True,
          spoil=sequences.exchange_sides, pairs=TO_KERAS),
    Fault("B6", "two biases, of which one is dropped", at="lstm", tokens=True,
          spoil=sequences.drop_second_bias("lstm"), weights=sequences.set_second_bias,
          pairs=TO_KERAS, ends=TARGET),
    Fault("B6", "a GRU with reset_after=False", REFUSED, "gru", "shape", {"reset_after": False}, on=("keras",),
          tokens=True),
    Fault("B7", "query and key of an attention exchanged", at="attend", cause="swapped tensors", tokens=True,
          spoil=sequences.exchange_parts, pairs=tuple(pair for pair in SIX if pair[1] != "torch")),
    Fault("B7", "query and key exchanged in torch's fused projection", at="attend", cause="part order", tokens=True,
          spoil=sequences.exchange_parts, pairs=tuple(pair for pair in SIX if pair[1] == "torch")),
    Fault("B7", "an attention's square projection not transposed", at="attend", cause="missing transpose", tokens=True,
          spoil=sequences.respell("attend", ["out_weight"], **_SQUARE), on=("paddle", "torch"),
          pairs=WITHOUT_KERAS_AS_TARGET),
    Fault("B7", "an attention's projection not transposed, into Keras's heads", at="attend", tokens=True,
          spoil=sequences.respell("attend", ["out_weight"], **_SQUARE), on=("paddle", "torch"), pairs=TO_KERAS),
    Fault("B7", "the same in Keras, which has the heads by themselves", REFUSED, "attend", "shape", tokens=True,
          spoil=sequences.respell("attend", ["out_weight"], **_SQUARE), on=("keras",)),
]  # fmt: skip

LAYER = [
    Fault("C1", "epsilon 1e-3, Keras's default", at="bn1", cause="epsilon", knobs={"epsilon": 1e-3},
          says=(r"0\.001 in {there}", r"1e-05 in {other}")),
    Fault("C1", "epsilon 1.001e-5, that of keras.applications", at="bn1", cause="epsilon", knobs={"epsilon": 1.001e-5},
          says=(r"1\.001e-05 in {there}", r"1e-05 in {other}")),
    Fault("C2", "padding on the far side only, by the convolution", at="conv1", cause="padding",
          knobs={"padding": "same"}, says=("1 on both sides in {other}", "0 before and 1 after in {there}")),
    Fault("C2", "padding on the far side only, by a layer before it", at="conv1", cause="padding",
          knobs={"padding": "behind"}, says=("1 on both sides in {other}", "0 before and 1 after in {there}")),
    Fault("C2", "the same, and the right side pads by itself", at="conv1", cause="padding", base={"padding": "own"},
          knobs={"padding": "behind"}, says=("1 on both sides in {other}", "0 before and 1 after in {there}")),
    Fault("C3", "a convolution's bias on one side only", REFUSED, "conv1", "missing", {"bias": False}, ends=SOURCE),
    Fault("C3", "a convolution's bias on one side only", REFUSED, "conv1", "unused", {"bias": False}, ends=TARGET),
    Fault("C4", "a batch norm more before the head", REFUSED, "bn3", "unused", {"norm": True}, ends=SOURCE),
    Fault("C4", "a batch norm more before the head", REFUSED, "bn3", "missing", {"norm": True}, ends=TARGET),
    Fault("C5", "average for maximum, before a dense layer", at="dense1", cause="pooling", knobs={"pool": "avg"}),
    Fault("C5", "average for maximum, before a convolution", at="conv3", cause="pooling",
          base=GLOBAL | {"middle": "max2"}, knobs={"middle": "avg2"}),
    Fault("C5", "a pool padded on the far side only", at="conv3", cause="pooling", base=GLOBAL | {"middle": "max3"},
          knobs={"middle": "max3 behind"}),
    Fault("C5", "ceil mode", at="conv3", cause="pooling", base=GLOBAL | {"middle": "max3 floor"},
          knobs={"middle": "max3 ceil"}),
    Fault("C5", "averages that count the padding", at="conv3", cause="pooling", base={"middle": "avg3"},
          knobs={"middle": "avg3 counted"}),
    Fault("C6", "no relu", at="conv2", cause="missing activation", knobs={"relus": 0}),
    Fault("C6", "no relu, and the right side has a layer of it", at="conv2", cause="missing activation",
          base=UNMAPPED, knobs={"relus": 0}, says=("act1",)),
    Fault("C6", "a relu twice, which changes nothing", "equivalent", knobs={"relus": 2}),
    Fault("C7", "probabilities on one side, logits on the other", at="output", cause="probabilities against logits",
          knobs={"ending": "probabilities"}),
    Fault("C8", "gelu by tanh", at="conv2", cause="approximation", base=GELU, knobs={"activation": "gelu tanh"}),
    Fault("C8", "gelu by tanh, in layers", at="conv2", cause="approximation", base=GELU | UNMAPPED,
          knobs={"activation": "gelu tanh"}, says=("act1",)),
    Fault("C8", "slope .3, Keras's default, for .01", at="conv2", cause="slope", base=LEAKY,
          knobs={"activation": "leaky 0.3"}, says=("{there} .*slope 0.3", "{other} .*slope 0.01")),
    Fault("C8", "slope .3 for .01, in layers", at="conv2", cause="slope", base=LEAKY | UNMAPPED,
          knobs={"activation": "leaky 0.3"}, says=("act1", "{there} .*slope 0.3", "{other} .*slope 0.01")),
    Fault("C8", "slope .2 for .01", at="conv2", cause="slope", base=LEAKY, knobs={"activation": "leaky 0.2"},
          says=("{there} .*slope 0.2", "{other} .*slope 0.01")),
    Fault("C8", "relu6 for relu", at="conv2", cause="activation", knobs={"activation": "relu6"},
          says=("{there} computes relu6", r"{other} computes relu\b")),
    Fault("C8", "relu6 for relu, in layers", at="conv2", cause="activation", base=UNMAPPED,
          knobs={"activation": "relu6"}, says=("act1",)),
    Fault("C8", "leaky relu for relu", at="conv2", cause="activation", knobs={"activation": "leaky 0.01"}),
    Fault("C8", "silu for relu", at="conv2", cause="activation", knobs={"activation": "silu"}),
    Fault("C9", "float32 products in less than float32", "equivalent", knobs={"flags": "low"}, on=("torch",),
          says=("may compute float32 in less: float32_matmul_precision is medium",)),
    Fault("C9", "a policy of mixed precision", at="conv1", knobs={"flags": "low"}, on=("keras",),
          says=("in {there}, its policy mixed_bfloat16 computes in bfloat16",)),
    Fault("C10", "layers that no output depends on", "equivalent", "spare", base={"spare": True}, ends=TARGET,
          says=("the outputs do not depend on them they depend on 20 other tensors",)),
    Fault("C10", "such a layer on one side only", REFUSED, "spare", "unused", {"spare": True}, ends=SOURCE),
    Fault("C10", "such a layer on one side only", REFUSED, "spare", "missing", {"spare": True}, ends=TARGET),
    Fault("C11", "another dilation, padded to the same size", at="conv2", cause="dilation and padding",
          knobs={"dilation": 2}, pairs=tuple(pair for pair in SIX if pair[1] != "keras")),
    Fault("C11", "another dilation, padded by the word same", at="conv2", cause="dilation", knobs={"dilation": 2},
          pairs=tuple(pair for pair in SIX if pair[1] == "keras")),
    Fault("C11", "another stride", at="conv2", cause="stride", base=GLOBAL, knobs={"stride": 2}),
    Fault("C11", "another number of groups", REFUSED, "conv3", "shape", knobs={"mixing": "groups"}),
    Fault("C12", "a layer called twice on one side", at="square", cause="calls", knobs={"calls": 2}),
    Fault("C12", "a residual connection on one side", at="conv3", cause="missing sum", knobs={"residual": True}),
]  # fmt: skip

TRAINING = [
    Fault("D1", "a batch norm in training mode for its own call", at="bn1", cause="training mode",
          knobs={"training": "hidden"}, on=("paddle", "torch")),
    Fault("D1", "a forward pass that calls train()", REFUSED, ", ".join(LAYERS), knobs={"training": "declared"},
          on=("paddle", "torch"), says=("ran in training mode",)),
    Fault("D3", "running variances with N − 1 for N, in the target's file", at="bn2", cause="other values",
          there=spoilt.scale("bn2", VARIANCE, 128 / 127), by="diff", ends=TARGET,
          says=(r"1\.0078\d* times what it should be",)),
    Fault("D1", "a batch norm in evaluation mode while training", at="bn1", cause="statistic", by="train", sure=False,
          knobs={"training": "forgotten"}, options={"optimizer": "sgd", "steps": 1}),
    Fault("D2", "another momentum of a batch norm", "explained", "bn1", "batch norm momentum", {"momentum": 0.01},
          by="train", options={"optimizer": "sgd"}, says=("0.01 in {there}",)),
    Fault("D3", "a running variance of torch divided by N", at="bn1", cause="statistic", knobs={"variance": "N"},
          by="train", sure=False, on=("torch",), options={"optimizer": "sgd"}),
    Fault("D3", "a running variance divided by N − 1", at="bn1", cause="statistic", knobs={"variance": "N - 1"},
          by="train", sure=False, on=("paddle", "keras"), options={"optimizer": "sgd"}),
    Fault("D4", "weight decay: added to the gradient against decoupled", "explained", cause="decay", by="train",
          pairs=WITH_KERAS, ends=TARGET,
          options={"optimizer": "momentum,momentum=0.875,weight_decay=0.125"}),
    Fault("D4", "AdamW against Adam with its weight decay added to the gradient", "explained", cause="decay",
          by="train", ends=TARGET,
          options={"optimizer": f"adamw,{EXACT} / adam,decay=l2,{EXACT}"}),
    Fault("D5", "Adam's epsilon: 1e-8 against 1e-7", "explained", cause="epsilon", by="train", ends=TARGET,
          options={"optimizer": f"adam,epsilon=1e-8,{BETAS} / adam,epsilon=1e-7,{BETAS}"}),
    Fault("D5", "Adam's epsilon: before and after the bias correction", "explained", cause="epsilon_stands",
          by="train", pairs=WITH_KERAS, ends=TARGET, options={"optimizer": f"adam,epsilon=1e-3,{BETAS}"}),
    Fault("D6", "a layer that is frozen", at="conv3", cause="frozen", knobs={"frozen": "conv3"}, by="train",
          options={"optimizer": "sgd"}, says=("frozen in {there} and did not move",)),
]  # fmt: skip

CHECK = [
    Fault("E1", "outputs that are all larger", at="output", cause="constant offset", knobs={"ending": "above"}),
    Fault("E2", "permuted outputs, which have the same mean", at="output", cause="permuted outputs",
          knobs={"ending": "reversed"}),
    Fault("E3", "NaN in a weight", at="conv2", cause="NaN or Inf", weights=spoilt.put("conv2", SHIFT, np.nan),
          ends=SOURCE, says=("NaN or Inf in the source and the target",)),
    Fault("E3", "Inf in a weight", at="conv2", cause="NaN or Inf", weights=spoilt.put("conv2", SHIFT, np.inf),
          ends=SOURCE),
    Fault("E4", "an input of zeros", "unproven", "conv1", options={"input": np.zeros((2, 1, 16, 16))}, ends=TARGET,
          says=("the outputs are the same for every input",)),
    Fault("E4", "dead relus", "unproven", "conv1, bn1, conv2", weights=spoilt.fill("bn1", SHIFT, -1e4), ends=SOURCE),
    Fault("E5", "large outputs, further apart in float32 than 1e-5", "equivalent", weights=spoilt.scale_all(1e3),
          ends=SOURCE),
    Fault("E6", "outputs of N × 5 × 1 for N × 5", at="output", cause="shape", knobs={"ending": "column"},
          says=("shapes differ",)),
    Fault("E6", "two outputs for one", at="output", cause="number of outputs", knobs={"ending": "pair"}),
    Fault("E7", "a dropout that is always active", at="dense2", cause="not deterministic", knobs={"random": "dropout"},
          says=("two runs of {there}",)),
    Fault("E7", "random noise", at="dense2", cause="not deterministic", knobs={"random": "noise"},
          says=("two runs of {there}",)),
]  # fmt: skip

FAULTS = (*NAMES, *LAYOUT, *SEQUENCE, *LAYER, *TRAINING, *CHECK)

# What is not a fault: networks that are the same on both sides, whatever is in them.
_BASES = (
    UNMAPPED, GLOBAL, GELU, LEAKY, GELU | {"activation": "gelu tanh"}, UNMAPPED | {"activation": "leaky 0.3"},
    {"activation": "relu6"}, {"activation": "silu"}, {"mixing": "groups"}, {"mixing": "depthwise"}, {"dilation": 2},
    GLOBAL | {"stride": 2}, {"calls": 2}, {"residual": True}, {"norm": True}, {"pool": "avg"}, {"padding": "own"},
    GLOBAL | {"middle": "max3"}, GLOBAL | {"middle": "max3 ceil"}, {"middle": "avg3"}, {"middle": "avg3 counted"},
    {"frozen": True}, {"ending": "probabilities"},
)  # fmt: skip
RIGHT = (
    *(
        Fault("R", ", ".join(f"{knob} {value}" for knob, value in base.items()), "equivalent", base=base, ends=TARGET)
        for base in _BASES
    ),
    Fault("R", "another padding layer, the same padding", "equivalent", knobs={"padding": "own"}),
    Fault("R", "a plain linear behind the same flatten", "equivalent", spoil=spoilt.call_kind("dense1", "linear"),
          pairs=tuple(pair for pair in SIX if "keras" not in pair), ends=TARGET),
    Fault("R", "layers for functions", "equivalent", knobs=UNMAPPED),
)  # fmt: skip

if __name__ == "__main__":
    from page import main

    main(FAULTS)
