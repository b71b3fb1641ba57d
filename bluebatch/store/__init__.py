"""Data on disk: the stores and folders that are the contract between stages."""
