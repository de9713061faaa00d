"""LeNet-5 in low-level TensorFlow: variables and operators, no layers; (N, 32, 32, 1) to (N, 10)."""

from __future__ import annotations

import tensorflow as tf


class LeNet5(tf.Module):
    """LeNet-5 with relu and average pools. Its convolutions have no bias."""

    def __init__(self, dtype: str) -> None:
        super().__init__()
        self.conv_W1 = weight((5, 5, 1, 6), dtype, name="conv_W1")
        self.conv_W2 = weight((5, 5, 6, 16), dtype, name="conv_W2")
        self.fc_W1 = weight((400, 120), dtype, name="fc_W1")
        self.fc_b1 = bias(120, dtype, name="fc_b1")
        self.fc_W2 = weight((120, 84), dtype, name="fc_W2")
        self.fc_b2 = bias(84, dtype, name="fc_b2")
        self.out_W = weight((84, 10), dtype, name="out_W")
        self.out_b = bias(10, dtype, name="out_b")

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        x = pool(tf.nn.relu(convolution(x, self.conv_W1)))
        x = pool(tf.nn.relu(convolution(x, self.conv_W2)))
        x = tf.reshape(x, (-1, 400))  # H, W, C: paddle and torch flatten C, H, W
        x = tf.nn.relu(tf.matmul(x, self.fc_W1) + self.fc_b1)
        x = tf.nn.relu(tf.matmul(x, self.fc_W2) + self.fc_b2)
        return tf.matmul(x, self.out_W) + self.out_b


def weight(shape: tuple[int, ...], dtype: str, name: str) -> tf.Variable:
    """Normally distributed around 0, cut at two standard deviations of 0.1."""
    return tf.Variable(tf.random.truncated_normal(shape, stddev=0.1, dtype=dtype), name=name)


def bias(length: int, dtype: str, name: str) -> tf.Variable:
    """Zeros."""
    return tf.Variable(tf.zeros(length, dtype), name=name)


def convolution(x: tf.Tensor, weight: tf.Variable) -> tf.Tensor:
    """Stride 1, no padding, no bias."""
    return tf.nn.conv2d(x, weight, strides=1, padding="VALID")


def pool(x: tf.Tensor) -> tf.Tensor:
    """Means of 2x2 pixels."""
    return tf.nn.avg_pool2d(x, 2, strides=2, padding="VALID")


def lenet5(dtype: str = "float32") -> LeNet5:
    """LeNet-5 with relu and average pools; returns logits. Source: doi:10.1109/5.726791.

    >>> tuple(lenet5()(tf.zeros((2, 32, 32, 1))).shape)
    (2, 10)
    """
    return LeNet5(dtype)
