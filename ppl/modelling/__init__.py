"""Models: variables conditioned on data, with their axes and labels, and what is wrong with these."""
