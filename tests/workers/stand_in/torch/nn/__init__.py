"""Nothing of torch.nn is touched before a model is."""
