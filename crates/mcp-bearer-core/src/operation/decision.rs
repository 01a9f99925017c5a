//! The one place that decides what happens to a request.
//!
//! A layer, a middleware or a gateway carries out the decision and makes none itself.

use std::borrow::Cow;

use super::caller::{Caller, Grant, Session};
use super::name;
use super::reader::{MessageKind, Operation, Operations};
use super::rpc::{RpcAnswer, RpcError, code};
use super::rules::{Access, HiddenAnswer, Inner, OperationRules, Tasks, Unmatched, Verdict};
use super::target::{self, Target, TargetKind};
use super::uri;
use crate::rejection::Rejection;
use crate::scope::Scopes;

/// What happens to a request.
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub enum Decision {
    /// It is passed on.
    Allowed,
    /// It needs a token, and has none: 401.
    NeedsToken(NeededScopes),
    /// The token lacks scopes that would allow it: 403 with one challenge for all of it.
    NeedsScopes(NeededScopes),
    /// No scope allows it: HTTP 200 with a JSON-RPC error. A 403 would make clients sign in again
    /// and again.
    Refused(RpcAnswer),
    /// It asks for what is hidden from this caller: answered as if it did not exist.
    Hidden(RpcAnswer),
    /// It cannot be judged, or may not be sent in this form: 400.
    BadRequest(RpcAnswer),
}

/// The scopes that a request needs, and what the token has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NeededScopes {
    needed: Scopes,
    missing: Scopes,
    held: Scopes,
}

impl NeededScopes {
    /// Everything that the request needs: the scopes that every request needs, then those of the
    /// rules.
    #[must_use]
    pub fn needed(&self) -> &Scopes {
        &self.needed
    }

    /// The needed scopes that the token lacks.
    #[must_use]
    pub fn missing(&self) -> &Scopes {
        &self.missing
    }

    /// The other scopes of this server that the token has.
    #[must_use]
    pub fn held(&self) -> &Scopes {
        &self.held
    }

    /// The scopes of the challenge: those needed and those already held, each once, because some
    /// clients request exactly the scopes of the last challenge and would lose the others.
    ///
    /// `translate` returns the scope to request for a scope that tokens hold, where an identity
    /// provider names them differently (Entra ID: `api://id/read` for `read`):
    /// [`RequestedScopes::of`](crate::RequestedScopes::of), or the caller's own function. If its
    /// result is not a scope, the scope stays as it is.
    ///
    /// ```
    /// use std::borrow::Cow;
    /// use mcp_bearer_core::operation::*;
    /// use mcp_bearer_core::{ScopeHierarchy, Scopes};
    /// let rules = OperationRules::new(
    ///     Unmatched::Allow,
    ///     [
    ///         RuleDraft::new("tools/call").name("delete_*").scopes(["admin"]),
    ///         RuleDraft::new("resources/read").scopes(["files"]),
    ///     ],
    /// )?;
    /// let body =
    ///     br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"delete_x"}}"#;
    /// let operations = Operations::read(body, &RequestHeaders::default()).unwrap();
    /// let (held, required) = ("read files openid".parse::<Scopes>()?, "read".parse()?);
    /// let hierarchy = ScopeHierarchy::default();
    /// let caller = Caller::with_scopes(&held, &hierarchy, &required);
    /// let Decision::NeedsScopes(scopes) = rules.judge(&operations, &caller) else { panic!() };
    /// let challenge = scopes.to_request(|scope| Cow::Owned(format!("api://id/{scope}")));
    /// assert_eq!(challenge.as_str(), "api://id/read api://id/admin api://id/files");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn to_request<'s>(&'s self, translate: impl Fn(&'s str) -> Cow<'s, str>) -> Scopes {
        let mut names: Vec<Cow<'s, str>> = Vec::new();
        for scope in self.needed.iter().chain(self.held.iter()) {
            let wanted = translate(scope);
            let is_scope = Scopes::from_names([&*wanted]).is_ok();
            let wanted = if is_scope { wanted } else { scope.into() };
            if wanted != "offline_access" && !names.contains(&wanted) {
                names.push(wanted);
            }
        }
        Scopes::from_names(names).unwrap_or_default()
    }

    /// The rejection of a token with too few scopes, with the scopes of the challenge.
    #[must_use]
    pub fn rejection<'s>(&'s self, translate: impl Fn(&'s str) -> Cow<'s, str>) -> Rejection {
        let required = self.to_request(Cow::Borrowed);
        Rejection::insufficient_scope(required, self.missing.clone())
            .requesting(self.to_request(translate))
    }
}

impl OperationRules {
    /// Decides about a request. A batch is passed on if every one of its messages is allowed;
    /// otherwise it gets one answer for all of them.
    pub fn judge(&self, operations: &Operations, caller: &Caller<'_>) -> Decision {
        if self.is_none() {
            return Decision::Allowed;
        }
        Judge {
            rules: self.inner(),
            caller,
            operations,
        }
        .judge()
    }
}

/// What happens to one operation by itself.
enum Outcome<'a> {
    Open,
    Needs(Vec<&'a str>),
    NeedsToken(Vec<&'a str>),
    Refused(RpcError),
    Hidden(RpcError),
    Bad(RpcAnswer),
}

struct Judge<'a> {
    rules: &'a Inner,
    caller: &'a Caller<'a>,
    operations: &'a Operations,
}

impl<'a> Judge<'a> {
    fn judge(&self) -> Decision {
        let mut needed: Vec<&str> = Vec::new();
        let mut needs_token = false;
        let mut needs_scopes = false;
        let mut errors: Vec<Option<RpcError>> = Vec::new();
        let mut hidden = false;
        let mut refused = false;
        for operation in self.operations.iter() {
            let mut error = None;
            match self.judge_one(operation) {
                Outcome::Open => {}
                Outcome::Bad(answer) => return Decision::BadRequest(answer),
                Outcome::Needs(scopes) => {
                    needs_scopes = true;
                    needed.extend(scopes);
                }
                Outcome::NeedsToken(scopes) => {
                    needs_token = true;
                    needed.extend(scopes);
                }
                Outcome::Refused(why) => {
                    refused = true;
                    error = Some(why);
                }
                Outcome::Hidden(why) => {
                    hidden = true;
                    error = Some(why);
                }
            }
            if error.is_some() || self.operations.is_batch() {
                errors.push(error);
            }
        }
        if needs_token {
            return Decision::NeedsToken(self.scopes(&needed));
        }
        if refused || hidden {
            let answer = RpcAnswer::errors(self.answers(errors), self.operations.is_batch());
            return if refused {
                Decision::Refused(answer)
            } else {
                Decision::Hidden(answer)
            };
        }
        if needs_scopes {
            return Decision::NeedsScopes(self.scopes(&needed));
        }
        Decision::Allowed
    }

    fn judge_one(&self, operation: &'a Operation) -> Outcome<'a> {
        if operation.kind() == MessageKind::Response {
            return self.judge_response();
        }
        let bad = |why| {
            let id = operation.id.clone();
            Outcome::Bad(RpcAnswer::bad_request(id, code::INVALID_PARAMS, why))
        };
        for target in operation.targets() {
            if let Some(fault) = self.name_fault(target) {
                return bad(fault);
            }
        }
        if self.caller.is_anonymous() {
            return self.judge_anonymous(operation);
        }
        if operation.about_tasks && self.rules.tasks == Tasks::Refuse {
            return Outcome::Refused(not_permitted(operation, "tasks are not available here"));
        }
        let mut satisfied = true;
        let mut hidden = None;
        for access in accesses(operation) {
            let verdict = self.ask(&access);
            if !verdict.matched && self.rules.unmatched == Unmatched::Deny {
                let why = "this operation is not permitted";
                return Outcome::Refused(not_permitted(operation, why));
            }
            if self.is_hidden(verdict) && hidden.is_none() {
                hidden = access.target;
            }
            satisfied &= verdict.satisfied;
        }
        match hidden {
            Some(target) => Outcome::Hidden(self.not_found(operation, target)),
            None if satisfied => Outcome::Open,
            None => Outcome::Needs(
                accesses(operation)
                    .flat_map(|access| self.scopes_for(&access))
                    .collect(),
            ),
        }
    }

    /// Every refusal asks for a token: signing in may allow what is refused, and the answer does
    /// not reveal the rules.
    fn judge_anonymous(&self, operation: &'a Operation) -> Outcome<'a> {
        let mut needed: Vec<&str> = Vec::new();
        let mut open = true;
        for access in accesses(operation) {
            let verdict = self.ask(&access);
            open &= verdict.is_anonymous();
            // The scopes of something hidden would reveal that it exists.
            if !verdict.hide || self.rules.hidden == HiddenAnswer::Challenge {
                needed.extend(self.scopes_for(&access));
            }
        }
        let tasks = operation.about_tasks && self.rules.tasks == Tasks::Refuse;
        if open && !tasks {
            Outcome::Open
        } else {
            Outcome::NeedsToken(needed)
        }
    }

    /// A client's response to a request of the server: no rule covers it, but it must come from the
    /// principal that was asked.
    fn judge_response(&self) -> Outcome<'a> {
        if self.caller.is_anonymous() {
            return Outcome::NeedsToken(Vec::new());
        }
        match self.caller.session {
            Session::Bound => Outcome::Open,
            Session::Unbound => {
                let why = "a response outside a session of the caller";
                Outcome::Bad(RpcAnswer::bad_request(None, code::INVALID_REQUEST, why))
            }
        }
    }

    fn name_fault(&self, target: &Target) -> Option<&'static str> {
        match target.kind() {
            TargetKind::Tool | TargetKind::Prompt => name::fault(target.name()),
            TargetKind::Resource if self.rules.on_resources => uri::fault(target.name()),
            TargetKind::ResourceTemplate if self.rules.on_resources => {
                uri::template_fault(target.name())
            }
            TargetKind::Resource | TargetKind::ResourceTemplate | TargetKind::Task => None,
        }
    }

    fn ask(&self, access: &Access<'_>) -> Verdict {
        self.rules
            .ask(access, |rule| self.caller.has_all(&rule.scopes))
    }

    /// The scopes of every rule that matches, for an answer that names them.
    fn scopes_for(&self, access: &Access<'_>) -> Vec<&'a str> {
        let mut scopes: Vec<&'a str> = Vec::new();
        self.rules.ask(access, |rule| {
            scopes.extend(rule.scopes.iter());
            false
        });
        scopes
    }

    fn is_hidden(&self, verdict: Verdict) -> bool {
        verdict.hide && !verdict.satisfied && self.rules.hidden == HiddenAnswer::NotFound
    }

    fn not_found(&self, operation: &Operation, (kind, name): (TargetKind, &str)) -> RpcError {
        let id = operation.id.clone();
        match kind {
            TargetKind::Tool => {
                RpcError::new(id, code::INVALID_PARAMS, format!("Unknown tool: {name}"))
            }
            TargetKind::Prompt => {
                RpcError::new(id, code::INVALID_PARAMS, format!("Unknown prompt: {name}"))
            }
            TargetKind::Resource | TargetKind::ResourceTemplate | TargetKind::Task => {
                let code = self.operations.version().resource_not_found();
                let mut error = RpcError::new(id, code, "Resource not found");
                error.data = Some(serde_json::json!({ "uri": name }));
                error
            }
        }
    }

    /// One error per message of a batch, those with a reason first: a batch is passed on whole or
    /// not at all.
    fn answers(&self, errors: Vec<Option<RpcError>>) -> Vec<RpcError> {
        let mut reasons = Vec::new();
        let mut others = Vec::new();
        for (operation, error) in self.operations.iter().zip(errors) {
            match error {
                Some(reason) => reasons.push(reason),
                None => others.push(not_permitted(
                    operation,
                    "refused, because another message of the batch is",
                )),
            }
        }
        reasons.append(&mut others);
        reasons
    }

    fn scopes(&self, of_rules: &[&str]) -> NeededScopes {
        let grant = self.caller.grant;
        let required = grant.iter().flat_map(|grant| grant.required.iter());
        let mut needed: Vec<&str> = Vec::new();
        for scope in required.chain(of_rules.iter().copied()) {
            if !needed.contains(&scope) {
                needed.push(scope);
            }
        }
        let missing = needed.iter().filter(|scope| !self.caller.has(scope));
        let mut held: Vec<&str> = Vec::new();
        for scope in grant.iter().flat_map(|grant| grant.scopes.iter()) {
            let is_new = !needed.contains(&scope) && !held.contains(&scope);
            if is_new && grant.is_some_and(|grant| self.is_of_this_server(grant, scope)) {
                held.push(scope);
            }
        }
        // All of them are scopes already.
        let list = |names: Vec<&str>| Scopes::from_names(names).unwrap_or_default();
        NeededScopes {
            missing: list(missing.copied().collect()),
            needed: list(needed),
            held: list(held),
        }
    }

    /// Whether this server knows a scope: a rule names it, every request needs it, or it implies
    /// others.
    fn is_of_this_server(&self, grant: Grant<'_>, scope: &str) -> bool {
        self.rules.scopes.contains(scope) || grant.hierarchy.names().any(|name| name == scope)
    }
}

fn not_permitted(operation: &Operation, why: &str) -> RpcError {
    RpcError::new(operation.id.clone(), code::NOT_PERMITTED, why)
}

/// What an operation does, one access at a time; all of it must be allowed.
fn accesses(operation: &Operation) -> impl Iterator<Item = Access<'_>> {
    let method = operation.method();
    let alone = Access {
        method,
        also: &[],
        target: None,
    };
    let judged_alone = operation
        .targets()
        .first()
        .is_none_or(|target| target::judged(method, target.kind()).alone);
    let targets = operation.targets().iter().map(move |target| {
        let judged = target::judged(method, target.kind());
        Access {
            method: judged.as_method.unwrap_or(method),
            also: judged.also,
            target: Some((target.kind(), target.name())),
        }
    });
    judged_alone.then_some(alone).into_iter().chain(targets)
}

#[cfg(test)]
mod tests;
