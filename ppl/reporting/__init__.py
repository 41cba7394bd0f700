"""How far planning and runs are, said while they last: bars in terminals and notebooks, lines in logs."""
