//! Rules of a policy that cannot work, and texts that name what was wrong with a token.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

use mcp_bearer_core::{Expected, Policy, PolicyBuilder, TokenType};

fn builder() -> PolicyBuilder {
    Policy::builder(Expected::Any, Expected::Any)
}

fn problems(builder: PolicyBuilder) -> String {
    builder.build().unwrap_err().to_string()
}

#[test]
fn types_of_other_tokens_cannot_be_named() {
    for typ in [
        "dpop+jwt",
        "Application/Logout+JWT",
        "secevent+jwt",
        "oauth-id-jag+jwt",
    ] {
        let why = problems(builder().also_accept_type(typ));
        assert!(why.contains("is the type of"), "{why}");
    }
    assert!(problems(builder().also_accept_type("")).contains("without a name"));
    let both = builder()
        .also_accept_type("vendor+jwt")
        .token_type(TokenType::Rfc9068);
    assert!(problems(both).contains("at+jwt alone"));
    assert!(builder().also_accept_type("vendor+jwt").build().is_ok());
}
