"""Reads of copy trading."""
