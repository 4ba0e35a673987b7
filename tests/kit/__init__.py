"""Helpers of the tests: real servers, and faults on demand."""
