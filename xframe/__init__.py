"""Move weights between Paddle, PyTorch and Keras, and prove that nothing changed."""
