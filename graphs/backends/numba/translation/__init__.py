"""From Python source to LLVM's code in one pass, for functions that do arithmetic on numbers and memory."""
