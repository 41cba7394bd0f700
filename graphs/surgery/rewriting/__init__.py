"""PyTensor's rewrites applied to any graph: looked up once, and tried only where they may find something."""
