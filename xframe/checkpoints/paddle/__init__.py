"""What Paddle writes: .pdparams, .pdopt."""
