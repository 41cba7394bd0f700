"""What follows from draws: predictions, variables that were summed out, log-likelihoods."""
