"""What TensorFlow writes: tensor bundles (.index and .data files) and the SavedModel folders around them."""
