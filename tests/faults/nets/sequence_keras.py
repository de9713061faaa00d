"""A small network over token ids in Keras, right unless an option says otherwise; (N, 7) to (N, 5)."""

import keras
from keras import layers


def sequence(epsilon=1e-5, scale=1.0, reset_after=True):
    tokens = keras.Input((None,), dtype="int64")
    x = layers.Embedding(6, 6, name="embed")(tokens)
    for recurrent, name in ((layers.LSTM, "lstm"), (layers.SimpleRNN, "rnn")):
        x = recurrent(6, return_sequences=True, name=name)(x)
    x = layers.GRU(6, return_sequences=True, reset_after=reset_after, name="gru")(x)
    attended = layers.MultiHeadAttention(2, 3, name="attend")(x * scale, x)
    x = layers.LayerNormalization(epsilon=epsilon, name="norm")(x + attended)
    x = keras.ops.tanh(layers.Dense(6, name="mix")(x))
    return keras.Model(tokens, layers.Dense(5, name="head")(x[:, -1]))


def stacked():
    """(N, 7) to (N, 7, 6): a sequence that becomes a map of one dimension, its features last all along."""
    tokens = keras.Input((None,), dtype="int64")
    x = layers.Embedding(6, 4, name="embed")(tokens)
    for level in range(2):
        x = layers.Bidirectional(layers.GRU(3, return_sequences=True, name="gru"), name=f"gru{level}")(x)
    x = layers.Bidirectional(layers.LSTM(4, return_sequences=True, name="lstm"), name="lstm")(x)
    x = layers.PReLU(shared_axes=[1], name="slope")(layers.Conv1D(6, 3, padding="same", name="conv")(x))
    return keras.Model(tokens, layers.GroupNormalization(2, epsilon=1e-3, name="groups")(x))
