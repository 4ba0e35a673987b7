"""Rules of the specifications as tables: what is sent, what must be answered, and where that is written."""
