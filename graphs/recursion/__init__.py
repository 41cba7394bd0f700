"""The forward recursion of a chain: the operation, its loops, and its lowerings."""
