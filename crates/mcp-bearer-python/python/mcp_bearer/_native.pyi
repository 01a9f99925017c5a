# What `src/` exports. Users import from `mcp_bearer`, never from here.
from collections.abc import Sequence
from typing import Any, Final, final

__all__ = [
    "Answer",
    "create_token",
    "generate_key_pair",
    "interpreter_ends",
    "nobody_inside",
    "Pending",
    "Preflight",
    "Rejection",
    "TestIssuer",
    "Verifier",
    "bearer_token",
    "protected_resource_metadata",
    "variables",
    "ALGORITHMS",
    "TOKEN_FAULTS",
    "SETTINGS",
    "__version__",
]

ALGORITHMS: Final[list[str]]
TOKEN_FAULTS: Final[list[tuple[str, str]]]
SETTINGS: Final[dict[str, str | None]]
"""Every argument, and the method in Rust that does the same."""

__version__: Final[str]

@final
class Verifier:
    def __new__(cls, arguments: dict[str, Any], whole_identity: bool) -> Verifier: ...
    @property
    def problem(self) -> str | None: ...
    @property
    def warnings(self) -> list[str]: ...
    def warm_up(self) -> list[tuple[str, str]]: ...
    @property
    def cached_tokens(self) -> int | None: ...
    def verify(self, token: str) -> dict[str, Any] | Rejection | Pending: ...

@final
class Pending:
    def wait(self) -> dict[str, Any] | Rejection | Pending: ...

@final
class Preflight:
    @staticmethod
    def pass_on() -> Preflight: ...
    @staticmethod
    def refuse() -> Preflight: ...
    @staticmethod
    def answer(origins: list[str] | None) -> Preflight: ...
    def judge(
        self, method: str, headers: Sequence[tuple[bytes, bytes]], has_no_body: bool
    ) -> tuple[int | None, list[tuple[bytes, bytes]]] | None: ...
    def on_answer(
        self, request: Sequence[tuple[bytes, bytes]], answer: Sequence[tuple[bytes, bytes]]
    ) -> list[tuple[bytes, bytes]]: ...

@final
class Rejection:
    @staticmethod
    def insufficient_scope(required: Sequence[str], held: Sequence[str]) -> Rejection | None: ...
    @staticmethod
    def malformed() -> Rejection: ...
    @staticmethod
    def unusable(why: str) -> Rejection: ...
    @property
    def kind(self) -> str: ...
    @property
    def detail(self) -> str: ...
    @property
    def is_service_fault(self) -> bool: ...
    @property
    def status(self) -> int: ...
    @property
    def retry_after(self) -> int | None: ...
    @property
    def required_scopes(self) -> list[str]: ...
    @property
    def missing_scopes(self) -> list[str]: ...
    def challenge(
        self, required: Sequence[str], resource_metadata: str | None
    ) -> tuple[int, str | None, int | None, str]: ...

@final
class Answer:
    def complete(self, body: bytes) -> None: ...
    def fail(self, why: str) -> None: ...

def interpreter_ends() -> None: ...
def nobody_inside() -> None: ...
def variables(found: dict[str, str | None], given: dict[str, Any]) -> dict[str, Any]: ...
def bearer_token(values: Sequence[bytes]) -> str | Rejection: ...
def protected_resource_metadata(
    resource: str,
    authorization_servers: Sequence[str],
    scopes_supported: Sequence[str],
    resource_name: str | None = None,
    resource_documentation: str | None = None,
    *,
    insecure_allow_http: bool = False,
) -> tuple[str, str, str]: ...
def generate_key_pair() -> tuple[str, str]: ...
def create_token(
    private_key: str,
    *,
    subject: str,
    issuer: str,
    expires_in_seconds: int,
    claims: str,
    kid: str | None,
) -> str: ...

@final
class TestIssuer:
    def __new__(cls) -> TestIssuer: ...
    @property
    def url(self) -> str: ...
    @property
    def jwks_uri(self) -> str: ...
    @property
    def key_requests(self) -> int: ...
    def rotate(self) -> None: ...
    def go_down(self) -> None: ...
    def come_back(self) -> None: ...
    def create_token(
        self,
        *,
        algorithm: str,
        expires_in_seconds: int,
        claims: str,
        without_claims: list[str],
        fault: str | None,
    ) -> str: ...
