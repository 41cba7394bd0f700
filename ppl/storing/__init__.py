"""Runs of models in stores: begun there, gone on with, extended."""
