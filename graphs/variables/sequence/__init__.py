"""Sequences of variables: scans whose steps draw, as one random variable."""
