"""The door: one unix socket per kernel, through which SQL goes in and cleared tables come out.

Who asks is known from the socket, never from a message. The door decides nothing; it asks the gate.
"""
