"""Training and inference of any model over stores that stream."""
