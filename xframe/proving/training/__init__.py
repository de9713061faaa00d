"""Training parity: both sides step together, and what parts them is predicted from each framework's own rule."""
