"""How far planning and runs are, said while they last in bars and lines; and tables, as text and HTML, and formulas."""
