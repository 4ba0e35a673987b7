"""A laboratory on loopback: upstream tenants to play with, and a strict little browser to walk through a login.

    tenant     a whole OpenID Provider with a login form
               rules, clients, requests, responses, grants, logout, metadata, keys, people, rooms, answers, pages
    fault      what it may do wrong, as changes to a healthy one's answers
               faults_in_tokens, faults_in_servers: the tables
    directory  many tenants on one address, a fault each (``isthmus lab``); snippet  a connection to each
    app        a small OpenID Connect application that shows what it was told
    browser    for checks without a real browser: cookies, page, navigation
    listen     sockets on loopback

Nothing here is for production: it knows no passwords and binds to loopback only.
"""
