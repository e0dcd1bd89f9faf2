"""Terms of use: a user has to agree to them before using the service."""

import re
from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from synapse_workflows.local.domain import auth, request_fields
from synapse_workflows.local.domain.dates import to_iso
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.errors import BadRequest, TermsNotAccepted, Unauthorized
from synapse_workflows.local.storage.credential_models import TermsAgreement
from synapse_workflows.local.storage.database import fetch_rows, insert_row

_LATEST_VERSION: Final = "1.0.0"
#: Version of an agreement without version, and the oldest version that is accepted.
_FIRST_VERSION: Final = "0.0.0"
_INFO: Final = {
    "termsOfServiceUrl": "https://www.synapse.org/TrustCenter:TermsOfService",
    "latestTermsOfServiceVersion": _LATEST_VERSION,
    "currentRequirements": {
        "minimumTermsOfServiceVersion": _FIRST_VERSION,
        "requirementDate": to_iso(0),
    },
}
_AGREED_ON = select(TermsAgreement.agreed_on).where(TermsAgreement.user_id == bindparam("user_id"))


def has_agreed(session: Session, user_id: int) -> bool:
    """Return whether a user has agreed to the terms of use."""
    return all(date is not None for (date,) in fetch_rows(session, _AGREED_ON, user_id=user_id))


def check(caller: Caller) -> None:
    """Check that the caller has agreed to the terms of use, or is anonymous.

    Raises:
        TermsNotAccepted: The caller has not agreed.
    """
    if not caller.has_agreed:
        raise TermsNotAccepted


def get_info() -> dict[str, Any]:
    """Return the current terms of use and their requirements (TermsOfServiceInfo)."""
    return dict(_INFO)


def get_status(session: Session, caller: Caller) -> dict[str, Any]:
    """Return whether the caller has agreed (TermsOfServiceStatus).

    Raises:
        Unauthorized: The caller is anonymous.
    """
    if caller.is_anonymous:
        raise Unauthorized("You must be logged in to do this.")
    record = session.get(TermsAgreement, caller.id)
    agreed_on = record.agreed_on if record is not None else None
    return {
        "userId": str(caller.id),
        "userCurrentTermsOfServiceState": (
            "UP_TO_DATE" if caller.has_agreed else "MUST_AGREE_NOW"
        ),
        "lastAgreementDate": None if agreed_on is None else to_iso(agreed_on),
        "lastAgreementVersion": record.version if record is not None else None,
    }


def sign(session: Session, body: Mapping[str, Any], now: int) -> None:
    """Record the agreement of a user (TermsOfServiceSignRequest).

    Args:
        session: Database session.
        body: `accessToken`, a token of the user, and optionally `termsOfServiceVersion`.
        now: Milliseconds since the epoch.

    Raises:
        BadRequest: The token is missing, or the version is not a semantic version.
        Unauthorized: The token is invalid.
        InsufficientScope: The token lacks the scope `modify`.
    """
    token = request_fields.get_required_text(body, "accessToken")
    version = request_fields.get_text(body, "termsOfServiceVersion") or _FIRST_VERSION
    if re.fullmatch(r"\d+\.\d+\.\d+", version) is None:
        raise BadRequest(f"termsOfServiceVersion must be a semantic version, not {version!r}.")
    caller = auth.authenticate(session, token, now)
    auth.check_scopes(caller, ["modify"])
    session.merge(TermsAgreement(user_id=caller.id, agreed_on=now, version=version))


def configure(session: Session, user_id: int, now: int, *, agreed: bool) -> None:
    """Set the initial agreement of a user. An agreement that is recorded is not changed."""
    if session.get(TermsAgreement, user_id) is None:
        version = _LATEST_VERSION if agreed else None
        agreed_on = now if agreed else None
        agreement = TermsAgreement(user_id=user_id, agreed_on=agreed_on, version=version)
        insert_row(session, agreement)
