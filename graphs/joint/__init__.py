"""From a model to its terms: preparation, the log-probability of each variable, and of all together."""
