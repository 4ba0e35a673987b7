"""What certification asks of a Relying Party: each module of the OpenID Foundation's suite as a test of its name."""
