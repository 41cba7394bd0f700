"""What of PyTensor's own is mended for all of the process when `graphs` is imported.

Each file says what is wrong or slow, and keeps what is not concerned as it was.
"""
