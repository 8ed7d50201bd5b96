"""A loopback endpoint that answers as AWS does, quickly: a process of its own, standard library only.

Its pages are bytes made from a template, so that what is measured is the client. It is no embedded AWS: it knows the
calls that a sweep and its peers make, and refuses every other one by name.
"""
