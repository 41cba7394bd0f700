"""What is learnt from draws: step sizes, metrics, starting points."""
