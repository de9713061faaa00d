"""The three networks of mtcnn; (N, H, W, 3) to what each of them returns, boxes first.

mtcnn/__init__.py imports the detector around them. Their classes are subclasses of keras.Model that build themselves.
Each has a name here: Keras would number the second one of a process.
"""

from published_nets.published import bare

bare("mtcnn", "mtcnn.network")

from mtcnn.network import onet as onets  # noqa: E402 - only behind the line above can they be imported
from mtcnn.network import pnet as pnets  # noqa: E402
from mtcnn.network import rnet as rnets  # noqa: E402


def _built(model):
    model.build()
    return model


def pnet():
    return _built(pnets.PNet(name="pnet"))


def rnet():
    return _built(rnets.RNet(name="rnet"))


def onet():
    return _built(onets.ONet(name="onet"))
