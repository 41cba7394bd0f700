"""Functions that generated source may call: draws, special functions, intrinsics."""
