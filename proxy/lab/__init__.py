"""A laboratory on loopback: upstream tenants to play with, and a strict little browser to walk through a login.

    rooms     the tenants there are, and what tells them apart; people  who lives in them
    tenant    a whole OpenID Provider with a login form                 rules, answers, pages
    app       a small OpenID Connect application that shows what it was told
    browser   for checks without a real browser                         cookies, page, navigation
    listen    sockets on loopback

Nothing here is for production: it knows no passwords and binds to loopback only.
"""
