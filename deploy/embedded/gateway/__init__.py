"""ClickHouse's HTTP interface over one embedded engine, in a process of its own.

    python -m deploy.embedded.gateway --path DIR --port N --secrets FILE

It is for one machine: development, the demo, tests. Clients speak to it as they speak to a
server, and only the URL differs. The way of a request, in reading order:

    server      a request comes in, an answer or an error goes out
    access      who is asking: names, passwords, roles, limits
    ask         what was asked for beside the statement: settings, parameters, session
    bodies      the statement and its rows, piece by piece, under a cap (encodings, blocks)
    statement   where a statement ends and its rows begin (tokens)
    turn        a handle on the engine for this one request (sessions)
    gate        what a restricted user may say
    engine      the only file that knows chDB
    answer      results on their way out (native, encodings, blocks)
    flight      how many requests at once; what a clean stop waits for
    metrics     what is counted; log says what each request was, without what it said

Errors are ClickHouse's own, by code and name (errors).
"""
