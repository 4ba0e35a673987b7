"""A laboratory on loopback: upstream tenants to play with, and a strict little browser to walk through a login.

    people    who can log in, with every standard claim of OpenID Connect Core 5.1
    tenant    the healthy tenant: an OpenID Provider with a login form (the first room)
    app       a small OpenID Connect application that shows what it was told
    browser   cookies by RFC 6265bis, redirects, forms; for checks without a real browser

Nothing here is for production: it knows no passwords and binds to loopback only.
"""
