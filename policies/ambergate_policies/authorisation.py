"""May this session ask under this agreement today? The obstacle, or None (house style, 10).

Decided before the query is read, from the agreement and from what the deployment says of the session. What the query
itself asks for (tables, columns, links, statistics) is decided where it is understood.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from ambergate_policies.agreement import Agreement, NamedPerson, Organisation
from ambergate_policies.packs import RulePack
from ambergate_policies.territory import WORLDWIDE, lies_within, words
from ambergate_policies.verdict import Decision, Finding


@dataclass(frozen=True, slots=True)
class Session:
    """Who asks, for which purpose of the agreement, and from where.

    `account` is None for an administrator's trial of an agreement, which nobody is named for and which stands nowhere.
    `purpose` is the id that the session chose, if it chose one. `territory` is the ISO 3166 code of where the gate
    stands, as the deployment declares it: None where it declares nothing."""

    account: str | None
    purpose: str | None = None
    territory: str | None = None


def obstacle(agreement: Agreement, session: Session, on: date) -> Finding | None:
    """Why this session may not ask anything under the agreement on that day; None when it may."""
    return _of_the_agreement(agreement, on) or _of_the_person(agreement, session, on) or _of_purpose(agreement, session)


def _of_the_agreement(agreement: Agreement, on: date) -> Finding | None:
    terms = agreement.terms
    if agreement.suspended:
        return _refused("suspended", f"agreement {agreement.agreement} is suspended", terms.clause)
    if not terms.in_force(on):
        message = f"agreement {agreement.agreement} is in force from {terms.start} to {terms.end} only"
        return _refused("not-in-force", message, terms.clause)
    return None


def _of_the_person(agreement: Agreement, session: Session, on: date) -> Finding | None:
    if session.account is None:
        return None
    parties = agreement.parties
    person = agreement.person(session.account, on)
    if person is None:
        return _refused("not-named", f"this account is not named on agreement {agreement.agreement}", parties.clause)
    if not person.role.may_query:
        message = f"agreement {agreement.agreement} names this account as {person.role.value}, who puts no queries"
        return _refused("role", message, parties.clause, hint="ask a researcher of the project, or the data centre")
    return _of_commercial_terms(agreement, person) or _of_territory(agreement, person, session)


def _of_commercial_terms(agreement: Agreement, person: NamedPerson) -> Finding | None:
    organisation: Organisation = person.organisation or agreement.parties.organisation
    if organisation.sector != "commercial" or agreement.terms.commercial.commercial:
        return None
    message = f"{organisation.name} is a commercial organisation, and the terms permit no commercial use"
    return _refused("commercial", message, agreement.terms.clause)


def _of_territory(agreement: Agreement, person: NamedPerson, session: Session) -> Finding | None:
    """Both must lie within the territory of use: where the gate stands, and where the person works from."""
    terms = agreement.terms
    if WORLDWIDE in terms.territory:
        return None
    if session.territory is None:
        message = f"use is permitted in {words(terms.territory)} only, and this gate does not say where it stands"
        return _refused("territory", message, terms.clause, hint="the data centre declares it in deployment.yaml")
    for place, what in ((session.territory, "this gate stands in"), (person.works_from, "this account works from")):
        if place is not None and not lies_within(place, terms.territory):
            message = f"use is permitted in {words(terms.territory)} only; {what} {place}"
            return _refused("territory", message, terms.clause)
    return None


def _of_purpose(agreement: Agreement, session: Session) -> Finding | None:
    if agreement.purpose_of(session.purpose) is not None:
        return None
    ids = ", ".join(purpose.id for purpose in agreement.purposes)
    if session.purpose is None:
        message = f"agreement {agreement.agreement} has several purposes, and this session has chosen none"
        hint = f"choose one: %purpose followed by one of {ids}"
    else:
        message = f"agreement {agreement.agreement} has no purpose of that name"
        hint = f"its purposes are: {ids}"
    return _refused("purpose", message, agreement.purpose.clause, hint=hint)


def _refused(rule: str, message: str, clause: str, *, hint: str = "ask the data centre") -> Finding:
    return Finding(rule, Decision.REFUSE, message, hint=hint, clause=clause)


def pack_obstacle(agreement: Agreement, pack: RulePack) -> Finding | None:
    """A kernel judges by the pack that the agreement names, and by that version of it where it names one."""
    name, _, version = agreement.terms.rule_pack.partition("@")
    if pack.pack == name and version in ("", pack.version):
        return None
    message = f"the agreement names the rule pack {agreement.terms.rule_pack}, and this gate has {pack.reference}"
    return _refused("rule-pack", message, agreement.terms.clause)
