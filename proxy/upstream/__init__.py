"""The upstream shore: we ask. Here we are the Relying Party of a tenant.

    metadata       where the tenant says everything is, checked             check_metadata
    connections    the tenants we know, their metadata and keys, cached     metadata, keys
    authorize      the request we send, the answer that comes back          build_params, check_response
    envelope       how it travels: open, as an object, pushed               request_object, par
    token          a code for tokens                                        build_exchange, check_exchange
    id_token       who the tenant says this is                              verify_id_token
    userinfo       what it says of them beside                              check_plain, check_signed
    refreshed      new tokens for old                                       check_refreshed
    back_channel   how we authenticate there                                client_auth, dpop, connection_keys
    logout_token   what it says when a session there ends                   verify_logout_token
    federation     known there in one step                                  webfinger, ourselves, registration
    visit          how a connection fares: asked now                        Doctor.see; doctor, needs, health, published
    rounds         the same about once an hour, kept in the store           Rounds.turn; status
    relying_party  the front door: begin a trip, finish it                  begin, finish

Whatever a tenant sends ends as an ``Identity`` or as ``errors.UpstreamError``, never as another exception.
"""
