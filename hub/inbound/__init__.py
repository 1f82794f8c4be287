"""PROVIDER -> HUB: a webhook marks, a pull fetches, apply stores and fans out."""
