"""From source to machine code: compiled, kept on disk under names that say what it depends on, and freed."""
