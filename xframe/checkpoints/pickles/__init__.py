"""Pickles read as inert records: nothing in them is imported or called."""
