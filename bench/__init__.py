"""What Isthmus costs: CPU per login, beside a bare server and beside the least that could do the same.

    make bench                      all of it, some minutes
    make bench ARGS=--quick         one short round
    make bench ARGS="-n 2000 --json"

    measure     CPU, memory and store round trips, read from the kernel and the store
    web         a thin HTTP client, and a cookie jar that knows SameSite
    load        the browser and the application: logins, logins with a session, refreshes
    tenant      an upstream that logs everybody in at once, through either channel
    floor       the least federated login: what a product on this stack cannot beat without leaving it
    yardstick   one handler that answers two bytes
    processes   starts each on its core, and ends it

The server under test has core 0, everything else core 1, so the figure to read is CPU per operation (user and system,
of the whole process tree). Milliseconds are this machine's; the ratios in one run hold elsewhere.
"""
