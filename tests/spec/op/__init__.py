"""What the OpenID Foundation's certification asks of a provider: one test a module of its suite, named after it."""
