# What `src/` exports. Users import from `mcp_bearer`, never from here.
from collections.abc import Sequence
from typing import Any, Final, final

__all__ = [
    "Answer",
    "Exchange",
    "GuardedApp",
    "Operations",
    "Rules",
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
    "BODY_SECONDS",
    "__version__",
]

_Headers = list[tuple[bytes, bytes]]

BODY_SECONDS: Final[list[float]]
"""How long a body may take, with a token and without."""

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
    @property
    def by_aws_lc_alone(self) -> bool: ...
    def scopes_to_request(self, names: Sequence[str]) -> list[str]: ...
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
        self, required: Sequence[str], resource_metadata: str | None, verifier: Verifier | None = None
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

@final
class Rules:
    def __new__(
        cls,
        rules: list[tuple[str, str | None, list[str], bool, bool]],
        *,
        unmatched: str | None,
        tasks: str,
        hidden_answer: str,
        anonymous_sees: str,
    ) -> Rules: ...
    @property
    def scopes_to_publish(self) -> list[str]: ...

@final
class Operations:
    def __new__(
        cls,
        rules: Rules | None,
        session_keys: list[bytes] | None,
        session_keys_file: Any,
        token_header: str | None,
        require_body_hash: bool,
        resource: tuple[str, list[str]] | None,
    ) -> Operations: ...
    def has_credential(self, headers: _Headers) -> bool: ...
    def layer(self, verifier: Verifier, required_scopes: list[str]) -> GuardedApp: ...

@final
class GuardedApp:
    def begin(self, method: str, http_version: str, headers: _Headers) -> Exchange: ...

@final
class Exchange:
    def step(self) -> Any: ...
    def feed(self, piece: bytes, more: bool) -> None: ...
    def wait_for_keys(self) -> None: ...
    def respond(self, status: int, headers: _Headers, is_empty: bool) -> None: ...
    def send(self, piece: bytes, more: bool) -> tuple[tuple[int, _Headers] | None, bytes, bool, str | None]: ...
