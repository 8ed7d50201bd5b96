"""One thin module per function: parse, hand over, count."""
