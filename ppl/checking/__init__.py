"""What is wrong with a model, seen in its graph and its data before anything is compiled."""
