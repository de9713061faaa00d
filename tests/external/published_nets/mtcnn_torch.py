"""The three networks of facenet-pytorch; (N, 3, H, W) to what each of them returns, boxes first.

facenet_pytorch/__init__.py imports torchvision and a loop of training. models/mtcnn.py takes two functions from
models/utils/detect_face.py, which crop images and compute no layer.
"""

from published_nets.published import absent, bare

bare("facenet_pytorch")
absent("facenet_pytorch.models.utils.detect_face", "detect_face", "extract_face")

from facenet_pytorch.models import mtcnn  # noqa: E402 - only behind the lines above can it be imported


def pnet():
    return mtcnn.PNet(pretrained=False)


def rnet():
    return mtcnn.RNet(pretrained=False)


def onet():
    return mtcnn.ONet(pretrained=False)
