"""Thin commands: each reads its options, calls one function and prints the summary."""
