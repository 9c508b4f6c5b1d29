"""Personal data: copies for the person, erasure, and new keys (LGPD art. 18, ADR 0012)."""
