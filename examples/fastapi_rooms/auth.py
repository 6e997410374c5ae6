"""Who a token belongs to."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel

from chanx.core.authenticator import BaseAuthenticator


class User(BaseModel):
    name: str
    is_staff: bool = False


# In place of the table that an application of yours has.
USERS = {
    "ada-token": User(name="ada", is_staff=True),
    "bob-token": User(name="bob"),
    "eve-token": User(name="eve"),
}


class TokenAuthenticator(BaseAuthenticator):
    """Lets those stay whose address has a token: `/ws/jobs?token=ada-token`."""

    user: User

    async def authenticate(self) -> bool:
        user = USERS.get(self.get_query_param("token", ""))
        if user is None:
            return False
        self.user = user
        return True


async def current_user(shown: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())]) -> User:
    """The same for HTTP requests: `Authorization: Bearer ada-token`."""
    user = USERS.get(shown.credentials)
    if user is None:
        raise HTTPException(401, "unknown token")
    return user


CurrentUser = Annotated[User, Depends(current_user)]
