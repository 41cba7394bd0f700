"""What is learnt from draws: step sizes, metrics, starting points, how many independent ones they are worth."""
