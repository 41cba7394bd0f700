"""What expectation-maximisation takes: expected log-probabilities, and modes of matrices."""
