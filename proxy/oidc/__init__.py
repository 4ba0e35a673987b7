"""Words both shores speak: errors, parameters, PKCE, JOSE, keys, URLs, HTTP messages.

Everything here is pure: values in, values out, or a typed error. It imports nothing of ours but its own neighbours.
"""
