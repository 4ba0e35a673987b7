"""Faults on the whole server: what reliability promises, seen from outside."""
