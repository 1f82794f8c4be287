"""Answers of providers in which something is not as it should be."""
