"""The network of chess_paddle.py, written anew in Keras."""

import keras
from keras import layers


def separable(x: keras.KerasTensor) -> keras.KerasTensor:
    """A depthwise and a pointwise convolution, with a residual."""
    y = layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x)
    y = layers.ReLU()(layers.BatchNormalization(epsilon=1e-5)(y))
    y = layers.Conv2D(x.shape[-1], 1, use_bias=False)(y)
    y = layers.BatchNormalization(epsilon=1e-5)(y)
    return layers.ReLU()(layers.Add()([x, y]))


def chess(epsilon: float = 1e-5) -> keras.Model:
    """64 pieces, numbered from 0 to 12, to the odds of black, draw and white; (N, 64) to (N, 3)."""
    board = keras.Input((64,), dtype="int64")
    x = layers.Embedding(13, 16)(board)
    x = layers.Reshape((8, 8, 16))(x)
    x = layers.Concatenate()([layers.Conv2D(12, 3, padding="same")(x), layers.Conv2D(4, 1)(x)])
    x = separable(separable(layers.ReLU()(x)))
    squares = layers.Reshape((64, 16))(x)
    attended = layers.MultiHeadAttention(4, 4)(squares, squares)
    squares = layers.LayerNormalization(epsilon=epsilon)(layers.Add()([squares, attended]))
    x = layers.LSTM(24)(layers.Reshape((8, 128))(squares))
    return keras.Model(board, layers.Dense(3)(x))
