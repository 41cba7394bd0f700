"""What a Python loop wrote one by one, taken together again: variables as arrays, steps as scans."""
