"""Run with a folder: writes TensorFlow's own checkpoints into it, by every writer it has, and what is in them.

Run with a folder and ``read``: says what is in the checkpoints that lie there.
"""

import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from exchange import tell, told

DTYPES = [
    tf.bool, tf.int8, tf.int16, tf.int32, tf.int64, tf.uint8, tf.uint16, tf.uint32, tf.uint64,
    tf.float16, tf.bfloat16, tf.float32, tf.float64, tf.complex64, tf.complex128,
    tf.dtypes.experimental.float8_e4m3fn, tf.dtypes.experimental.float8_e5m2,
]  # fmt: skip
SHAPES = [(), (6,), (2, 3), (0, 3), (2, 3, 1, 4)]


def one(value):
    array = np.asarray(value)
    return told(array.dtype, array.shape, array.tobytes())


def save(prefix, tensors, slices=None):
    names, values = zip(*tensors, strict=True)
    slices = slices or [""] * len(names)
    tf.raw_ops.SaveV2(prefix=str(prefix), tensor_names=names, shape_and_slices=slices, tensors=values)


def by_name():
    rng = np.random.default_rng(7)
    odd = [
        (f"ü/{dtype.name}/{index}", np.asarray(rng.integers(0, 2, shape)).astype(dtype.as_numpy_dtype))
        for dtype in DTYPES
        for index, shape in enumerate(SHAPES)
    ]
    save(theirs / "odd", [*odd, ("words", tf.constant(["a", "b"]))])
    tell(theirs, "odd.index", {name: one(value) for name, value in odd})
    large = ("large", tf.constant(rng.normal(size=(1000, 700))))
    save(theirs / "large", [large])
    tell(theirs, "large.index", {"large": one(large[1])})


def sharded():
    """As a Saver does over two devices: a part each, and one table for both."""
    tensors = [(f"layer{index}/kernel", tf.constant(np.full((3, index + 2), index, "f4"))) for index in range(4)]
    parts = [tf.raw_ops.ShardedFilename(basename=str(theirs / "part"), shard=shard, num_shards=2) for shard in (0, 1)]
    for part, held in zip(parts, (tensors[:2], tensors[2:]), strict=True):
        save(part.numpy().decode(), held)
    tf.raw_ops.MergeV2Checkpoints(checkpoint_prefixes=parts, destination_prefix=str(theirs / "sharded"))
    tell(theirs, "sharded.index", {name: one(value) for name, value in tensors})


def partitioned():
    whole = np.arange(200 * 3, dtype="f4").reshape(200, 3)
    wide = np.arange(4 * 10_000).astype("i2").reshape(4, 10_000)
    tensors = [("rows", whole[:70]), ("rows", whole[70:]), ("wide", wide[:, 9000:]), ("wide", wide[:, :9000])]
    slices = ["200 3 0,70:-", "200 3 70,130:0,3", "4 10000 -:9000,1000", "4 10000 -:0,9000"]
    save(theirs / "partitioned", tensors, slices)
    tell(theirs, "partitioned.index", {"rows": one(whole), "wide": one(wide)})
    grid = [("grid", whole[:100, :2]), ("grid", whole[:100, 2:])]
    save(theirs / "grid", grid, ["200 3 0,100:0,2", "200 3 0,100:2,1"])


def by_saver():
    """TensorFlow 1: a graph, a session, a partitioner."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        partitioner = tf.compat.v1.fixed_size_partitioner(3, axis=1)
        init = tf.compat.v1.random_normal_initializer(seed=7)
        tf.compat.v1.get_variable("embedding", (5, 7), initializer=init, partitioner=partitioner)
        tf.compat.v1.get_variable("dense/kernel", (2, 3), initializer=init)
        step = tf.compat.v1.train.create_global_step()
        session.run(tf.compat.v1.global_variables_initializer())
        tf.compat.v1.train.Saver().save(session, str(theirs / "saver"), global_step=step, write_meta_graph=False)
    reader = tf.train.load_checkpoint(str(theirs / "saver-0"))
    shapes = reader.get_variable_to_shape_map()
    tell(theirs, "saver-0.index", {name: one(reader.get_tensor(name)) for name in shapes})


def by_keras():
    keras.utils.set_random_seed(7)
    inputs = keras.Input((8, 8, 3))
    hidden = keras.layers.BatchNormalization(name="bn")(keras.layers.Conv2D(4, 3, name="conv1")(inputs))
    outputs = keras.layers.Dense(3, dtype="bfloat16", name="fc")(keras.layers.Flatten()(hidden))
    model = keras.Model(inputs, outputs)
    model.export(str(theirs / "fresh"), verbose=False)
    model.compile("adam", "mse")
    model.optimizer.build(model.trainable_variables)
    weights = {variable.path: one(variable) for variable in model.weights}
    model.export(str(theirs / "export"), verbose=False)
    tf.saved_model.save(model, str(theirs / "saved"))
    for name in ("fresh", "export", "saved"):
        tell(theirs, name, weights)
    step = tf.Variable(3, dtype=tf.int64)
    tf.train.Checkpoint(model=model, step=step).save(str(theirs / "model"))
    tell(theirs, "model-1.index", weights | {"step": one(step)})
    tf.train.Checkpoint(net=model, opt=model.optimizer).write(str(theirs / "both"))
    tell(theirs, "both.index", weights)
    tf.train.Checkpoint(model.optimizer).write(str(theirs / "optimizer"))


class Net(tf.Module):
    def __init__(self):
        super().__init__()
        self.kernel = tf.Variable(tf.ones((2, 3)), name="w")
        self.layers = [tf.Variable([1.0, 2.0], name="w"), tf.Variable(3)]
        self.towers = {"left/up": tf.Variable([4.0])}


def by_module():
    net = Net()
    names = {"kernel": net.kernel, "layers/0": net.layers[0], "layers/1": net.layers[1]}
    told_of = {name: one(variable) for name, variable in names.items()} | {"towers/left.Sup": one([np.float32(4)])}
    tf.saved_model.save(net, str(theirs / "module"))
    tf.train.Checkpoint(net).write(str(theirs / "plain"))
    for name in ("module", "plain.index"):
        tell(theirs, name, told_of)


def load():
    for path in theirs.glob("*.index"):
        held = tf.train.load_checkpoint(str(path.with_suffix("")))
        tell(theirs, path.name, {name: one(held.get_tensor(name)) for name in held.get_variable_to_shape_map()})


theirs = Path(sys.argv[1])
for write in (load,) if sys.argv[2:] == ["read"] else (by_name, sharded, partitioned, by_saver, by_keras, by_module):
    write()
