"""Files that outlast a process: where PyTensor compiles, and what took long to compute or to decide."""
