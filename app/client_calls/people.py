"""Calls on people, accounts, keys and tokens."""

from app.client_calls.calls import Calls, given, segment
from app.client_calls.states import (
    Account,
    AuditEntry,
    Forgotten,
    Invitation,
    Key,
    NewKey,
    Started,
    Tokens,
    User,
)


class PeopleCalls(Calls):
    def get_user(self, user_id: int) -> User:
        return self._read(User, f"/users/{user_id}")

    def rename_user(self, user_id: int, name: str) -> User:
        return self._changed(User, "PATCH", f"/users/{user_id}", json={"name": name})

    def allow_together(self, user_id: int, allowed: bool = True) -> User:
        """Say whether other viewers may have a list made for them and this person."""
        return self._changed(User, "PUT", f"/users/{user_id}/together", json={"allowed": allowed})

    def merge_users(self, user_id: int, from_id: int, idempotency_key: str | None = None) -> Started:
        """Move the ratings of `from_id` to a person, in a task."""
        body = {"from": from_id}
        return self._changed(Started, "POST", f"/users/{user_id}/merge", idempotency_key, json=body)

    def forget_user(self, user_id: int) -> Forgotten:
        """Delete all that is kept of a person."""
        return self._changed(Forgotten, "DELETE", f"/users/{user_id}")

    def list_accounts(self, limit: int = 50, cursor: str | None = None) -> list[Account]:
        return self._listed(Account, "/accounts", limit=limit, cursor=cursor)

    def set_role(self, user_id: int, role: str) -> Account:
        """`role`: admin, editor or viewer."""
        return self._changed(Account, "PUT", f"/users/{user_id}/account", json={"role": role})

    def remove_account(self, user_id: int) -> None:
        self._change("DELETE", f"/users/{user_id}/account")

    def invite_user(
        self, user_id: int, role: str | None = None, idempotency_key: str | None = None
    ) -> Invitation:
        """A link, shown once, by which the person sets a password."""
        body = given({"role": role})
        return self._changed(Invitation, "POST", f"/users/{user_id}/invite", idempotency_key, json=body)

    def add_key(
        self,
        name: str,
        role: str = "viewer",
        user_id: int | None = None,
        expires_days: float | None = None,
        address: str | None = None,
        idempotency_key: str | None = None,
    ) -> NewKey:
        """Make an API key: `key` is shown this once. `address`: the only path that it is good for."""
        body = {"name": name, "role": role, "user_id": user_id, "expires_days": expires_days}
        body |= {"address": address}
        return self._changed(NewKey, "POST", "/keys", idempotency_key, json=given(body))

    def list_keys(self, user_id: int | None = None, limit: int = 50, cursor: str | None = None) -> list[Key]:
        return self._listed(Key, "/keys", user_id=user_id, limit=limit, cursor=cursor)

    def revoke_key(self, prefix: str) -> None:
        self._change("DELETE", f"/keys/{segment(prefix)}")

    def list_audit(
        self, user_id: int | None = None, limit: int = 50, cursor: str | None = None
    ) -> list[AuditEntry]:
        """Who changed what, newest first."""
        return self._listed(AuditEntry, "/audit", user_id=user_id, limit=limit, cursor=cursor)

    def issue_tokens(self, username: str, password: str) -> Tokens:
        """Log in: an access token for `MatineeClient(token=...)`, and a refresh token."""
        form = {"grant_type": "password", "username": username, "password": password}
        return self._changed(Tokens, "POST", "/token", data=form)

    def refresh_tokens(self, refresh_token: str) -> Tokens:
        """The next pair; a refresh token is good for one use."""
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        return self._changed(Tokens, "POST", "/token", data=form)

    def revoke_token(self, token: str) -> None:
        """End a login."""
        self._change("POST", "/token/revoke", data={"token": token})
