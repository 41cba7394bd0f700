"""What a chain remembers: its state, memory, metric and draws; no algorithm."""
