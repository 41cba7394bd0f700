"""What a run is asked for: so many draws, or draws that are enough, judged while it goes on."""
