"""Reading what people hold their numbers in, and what they write beside variables."""
