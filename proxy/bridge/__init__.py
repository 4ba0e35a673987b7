"""The bridge: takes a person from a client to an upstream tenant and back.

    (from authorize)                   leave for the only tenant, or ask which         login.depart
    GET        login                   the buttons; identifier first; leave            login.choose
    GET, POST  login/callback          come back, with a code or with an ID token      arrival.arrive
    GET        login/request/{id}      a request object that the tenant fetches        hosted_requests.serve
    GET        login/keys/{name}       what we sign with towards a tenant              connection_jwks.serve
    POST       login/backchannel-logout    a session at a tenant ended                 notices.hear
    GET, POST  login/frontchannel-logout   the same, by its page                       frontchannel_notice.hear
    GET, POST  login/initiate          a tenant begins a login                         initiate.begin
    GET        login/session           watch a session at a tenant; ask it             session_frame, recheck
    GET        login/logged-out        back from the tenant's logout                   federated_logout.arrive
    (from oidc/logout)                 end a session everywhere                        logout.end

This is the only package that knows both shores. It decides who the person is; it never decides what a client may have:
that is downstream.
"""
