"""What Keras writes, in HDF5: .weights.h5, .keras and the legacy .h5."""
