"""What is made of results: scores, figures, tables."""
