"""The shore where we answer: Isthmus as an OpenID Provider (OpenID Connect Core, RFC 6749).

    GET, POST  authorize                          check the request, issue a code or ask for a login   authorize
    POST       oauth/token                        dispatch to the grants                               token
               authorization_code, refresh_token  one file a grant
    GET, POST  userinfo                           claims of the granted scopes                         userinfo
    GET, POST  oidc/logout                        RP-initiated logout                                  logout
    GET        .well-known/...                    metadata, keys                                       metadata, keys

Downstream does not know who logged the person in, only that a session exists.
"""
