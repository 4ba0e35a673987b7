"""The upstream shore: we ask. Here we are the Relying Party of a tenant.

    metadata       where the tenant says everything is, checked             check_metadata
    connections    the tenants we know, their metadata and keys, cached     metadata, keys, diagnose
    authorize      the request we send, the answer that comes back          build_request, check_response
    token          a code for tokens                                        build_exchange, check_exchange
    id_token       who the tenant says this is                              verify_id_token
    relying_party  the front door: begin a trip, finish it                  begin, finish

Whatever a tenant sends ends as an ``Identity`` or as ``errors.UpstreamError``, never as another exception.
"""
