"""Posteriors by particles that come from the prior, their evidence, and simulators with falling tolerance."""
