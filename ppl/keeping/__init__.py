"""Runs on disk while they run: draws that others can read, and beside them all that is needed to go on."""
