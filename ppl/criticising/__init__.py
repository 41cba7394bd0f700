"""What a model is asked beside its posterior: how much its prior matters, left out rows, calibration."""
