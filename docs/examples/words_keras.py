"""Words in a sentence, read by a GRU and by attention, in Keras."""

import keras
from keras import layers


def words(vocabulary: int = 50) -> keras.Model:
    """Token ids (N, T) to logits (N, 2)."""
    tokens = keras.Input((None,), dtype="int64")
    x = layers.Embedding(vocabulary, 12, name="embedding")(tokens)
    x = layers.GRU(12, return_sequences=True, name="gru")(x)
    x = layers.MultiHeadAttention(3, 4, name="attention")(x, x)
    return keras.Model(tokens, layers.Dense(2, name="head")(x[:, -1]))
