"""Who may do what at a server: accounts, as a value that the topology makes. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

EVERY: frozenset[str] = frozenset()
"""Stands for every application."""


class Action(StrEnum):
    """What accounts are for."""

    PUBLISH = "publish"
    PLAY = "play"


@dataclass(frozen=True, slots=True)
class Account:
    """A user, what it may do, and in which applications (`EVERY`: all of them)."""

    name: str
    password: str = field(repr=False)
    may: frozenset[Action] = frozenset(Action)
    applications: frozenset[str] = EVERY


@dataclass(frozen=True, slots=True)
class Access:
    """The accounts of an endpoint; `anyone` is what may be done without one. Without accounts that is everything."""

    accounts: Sequence[Account] = ()
    anyone: frozenset[Action] = frozenset()

    @property
    def passwords(self) -> Mapping[str, str]:
        """The passwords by user."""
        return {account.name: account.password for account in self.accounts}

    def is_open(self, action: Action) -> bool:
        """Whether `action` needs no account."""
        return not self.accounts or action in self.anyone

    def allows(self, user: str, action: Action, path: str) -> bool:
        """Whether this user may do it at ``application/name``."""
        application = path.rpartition("/")[0]
        return any(
            account.name == user
            and action in account.may
            and (not account.applications or application in account.applications)
            for account in self.accounts
        )
