"""The four kinds of error: each says whose turn it is. None ever quotes data (house style, 16 and 17)."""

from __future__ import annotations


class AmbergateError(Exception):
    """Base of all errors raised on purpose. `exit_code` is for commands, `http_status` for services."""

    exit_code = 1
    http_status = 500


class UserError(AmbergateError):
    """The researcher or administrator can change what was asked: a query, an agreement, an argument."""

    exit_code = 2
    http_status = 400


class OperatorError(AmbergateError):
    """The deployment must be fixed: a missing file, a sandbox that cannot start, a full disk."""

    exit_code = 3
    http_status = 503


class Refused(AmbergateError):
    """A decision: the policy says no. Carries its findings in the verdict, not in this text."""

    exit_code = 4
    http_status = 403


class IntegrityError(AmbergateError):
    """Something that must never change has changed. Stop, keep everything, call the data centre."""

    exit_code = 5
    http_status = 500
