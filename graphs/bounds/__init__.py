"""What is known of values before they are known: intervals, signs, definiteness, gradients, and checks that follow."""
