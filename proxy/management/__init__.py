"""The Management API: what an operator's programs read and change, in Auth0's shapes (Management API v2).

    connections      what can be done with connections; one layer for HTTP and for the command line
    connections_api  the same over HTTP: one table says method, address and scopes of every route
    reading          what was sent, as a connection that follows every rule of the file
    view             a connection as it is shown: without a secret
    paging           lists in their three shapes
    keys             what must be offered for the keys with which a connection proves who we are
    refusals         errors, in Auth0's words

A face like ``web``: pure, and handed everything that goes out of the house.
"""
