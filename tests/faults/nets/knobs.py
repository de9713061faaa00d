"""What can be turned in the small networks, the same for all three frameworks. As it stands, everything is right."""

import json
from dataclasses import dataclass


@dataclass(frozen=True)
class Knobs:
    """Options of the factories in in_paddle.py, in_torch.py and in_keras.py."""

    epsilon: float = 1e-5  # of bn1
    padding: str = "both"  # of conv1: "both" sides or "behind" by a layer before it; "own" or "same" by itself
    bias: bool = True  # of conv1
    training: str = "never"  # bn1 is in training mode: "never", "hidden" for its own call, "declared" for good
    relus: int = 1  # behind bn1
    activation: str = "relu"  # behind bn1
    modules: bool = False  # activations are layers, not functions
    dilation: int = 1  # of conv2, padded so that its maps keep their size
    stride: int = 1  # of conv2
    residual: bool = False  # what conv2 reads is added to what bn2 gives
    middle: str = ""  # a pool before conv3, one of POOLS
    mixing: str = "full"  # conv3 is "full", or mixes the channels of two "groups", or is "depthwise"
    pool: str = "max"  # behind conv3: "max" or "avg", 2 × 2
    head: str = "flatten"  # behind that pool: "flatten", or means of whole maps, "global"
    flatten: str = "own"  # in the framework's own order, or in the "other"
    calls: int = 1  # how often square is called
    listed: str = ""  # square is kept in a plain "list", "tuple" or "dict"
    random: str = ""  # behind square: a "dropout" that is always active, or "noise"
    norm: bool = False  # a batch norm, bn3, before dense2
    spare: bool = False  # a dense layer that no output depends on
    declared: int = 0  # what dense2.out_features is set to once dense2 was made; 0 leaves it
    frozen: bool = False  # conv2's kernel is not trained
    flags: str = ""  # a switch for reduced precision that is turned on: "low"
    ending: str = "logits"  # or "probabilities", "column", "pair", "above", "reversed"
    loader: str = "faithful"  # of bn2: or "skipping", "changing"


POOLS = ("max2", "avg2", "max3", "max3 behind", "max3 floor", "max3 ceil", "avg3", "avg3 counted")


def knobs(base, changed):
    """``base``, JSON text, is what both sides have in common; ``changed`` is put over it."""
    return Knobs(**{**json.loads(base or "{}"), **changed})


def slope(activation):
    """Of a leaky relu, written "leaky 0.01"."""
    return float(activation.split()[1])
