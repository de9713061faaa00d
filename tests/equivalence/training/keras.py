"""LeNet-5, trained in Keras; `keras.py DIGITS.npz OUT.weights.h5`."""

import sys

import keras
import numpy as np

from xframe.zoo.lenet.keras import lenet5

images, labels = (np.load(sys.argv[1])[name] for name in ("images", "labels"))
keras.utils.set_random_seed(0)
network = lenet5()
network.compile(keras.optimizers.Adam(3e-3), "sparse_categorical_crossentropy")
network.fit(images.transpose(0, 2, 3, 1), labels, batch_size=32, epochs=5, verbose=0)
network.save_weights(sys.argv[2])
