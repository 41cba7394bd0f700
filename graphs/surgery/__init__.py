"""What can be done to any graph, whatever it means: rebuild, batch, evaluate, interpret, print, pickle."""
