"""Words of HTTP that the site and the gateway share, whatever server reads them: cookies as raw bytes (RFC 6265), and
whose address a request comes from. Pure.
"""
